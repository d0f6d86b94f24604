"""Pictures to train and validate on. Names are loaded when first used, for torch is slow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccnet.datasets.crops import CropBatches
    from ccnet.datasets.photographs import Photographs, split_photographs

__all__ = ["CropBatches", "Photographs", "split_photographs"]

_MODULES = {
    "CropBatches": "ccnet.datasets.crops",
    "Photographs": "ccnet.datasets.photographs",
    "split_photographs": "ccnet.datasets.photographs",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
