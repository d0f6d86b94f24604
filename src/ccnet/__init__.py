"""Restores hazy, blurry and snowy photographs with the context-aware convolutional network CCNet.

Names are loaded when they are first used, so that importing this package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccnet.errors import CCNetError
    from ccnet.network import CCNet
    from ccnet.restoration import Restorer, restore
    from ccnet.video import restore_video
    from ccnet.weights import list_models, load_network

    __version__: str

__all__ = [
    "CCNet",
    "CCNetError",
    "Restorer",
    "__version__",
    "list_models",
    "load_network",
    "restore",
    "restore_video",
]

_MODULES = {
    "CCNet": "ccnet.network",
    "CCNetError": "ccnet.errors",
    "Restorer": "ccnet.restoration",
    "list_models": "ccnet.weights",
    "load_network": "ccnet.weights",
    "restore": "ccnet.restoration",
    "restore_video": "ccnet.video",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("ccnet-restore")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
