"""Restorers for clips, and one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ccnet.network import CCNet
from ccnet.restoration import Restorer

from .clips import photographs, write_clip


@pytest.fixture(scope="session")
def restorer() -> Restorer:
    """A tiny network that visibly changes pictures."""
    torch.manual_seed(0)
    return Restorer(CCNet(width=4, modules=1), device="cpu")


@pytest.fixture(scope="session")
def unchanging() -> Restorer:
    return Restorer(CCNet(width=4, modules=1), device="cpu", strength=0)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a moving camera."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", photographs(12))
