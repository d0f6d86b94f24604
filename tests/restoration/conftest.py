"""A network small enough for tests, and strong enough that its effect is seen."""

from __future__ import annotations

import pytest
import torch

from ccnet.network import CCNet


@pytest.fixture(scope="session")
def tiny_network() -> CCNet:
    """Random weights; the dynamic strips, which start without effect, have one."""
    torch.manual_seed(0)
    network = CCNet(width=4, modules=1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.3)
    return network.eval()
