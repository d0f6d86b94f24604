"""The network against outputs of the published code, for weights drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ccnet.network import CCNet
from ccnet.weights.published import from_published

SEED = 20260101
WIDTH_MODULES_PARAMETERS = {
    "its": (40, 4, 4_264_529),
    "csd": (36, 6, 4_757_589),
    "gopro": (36, 16, 11_173_509),
}


@pytest.fixture(scope="module", params=WIDTH_MODULES_PARAMETERS)
def checkpoint(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def network(checkpoint: str, published_state: Callable[[str, int], dict[str, Tensor]]) -> CCNet:
    width, modules, _ = WIDTH_MODULES_PARAMETERS[checkpoint]
    network = CCNet(width=width, modules=modules)
    network.load_state_dict(from_published(published_state(checkpoint, SEED)))
    return network


def test_has_the_published_number_of_parameters(network: CCNet, checkpoint: str) -> None:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == WIDTH_MODULES_PARAMETERS[checkpoint][2]


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_computes_what_the_published_code_does(
    network: CCNet, checkpoint: str, data: Path, training: bool
) -> None:
    network.train(training)
    stored = np.load(data / f"{checkpoint}.npz")
    with torch.no_grad():
        outputs = network.forward_pyramid(torch.from_numpy(stored["input"]))
    for scale, output in zip(("quarter", "half", "full"), outputs, strict=True):
        published = stored[f"output_{scale}"]
        error = np.abs(output.numpy() - published).max() / published.std()
        assert error < 1e-4, f"{scale}: {error}"
