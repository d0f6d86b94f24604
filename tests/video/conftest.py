"""Restorers for clips."""

from __future__ import annotations

import pytest
import torch

from ccnet.network import CCNet
from ccnet.restoration import Restorer


@pytest.fixture(scope="session")
def restorer() -> Restorer:
    """A tiny network that visibly changes pictures."""
    torch.manual_seed(0)
    return Restorer(CCNet(width=4, modules=1), device="cpu")


@pytest.fixture(scope="session")
def unchanging() -> Restorer:
    return Restorer(CCNet(width=4, modules=1), device="cpu", strength=0)
