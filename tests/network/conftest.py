from __future__ import annotations

import pytest
import torch

from ccnet.network import CCNet


@pytest.fixture(scope="session")
def small_network() -> CCNet:
    """A network in eval mode whose integration does something, as it does not when new."""
    torch.manual_seed(0)
    network = CCNet(width=4, modules=1).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter)
    return network
