"""The network goes whole through `torch.export` and `torch.compile`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.export import Dim, export

from ccnet.network import CCNet


@pytest.fixture(autouse=True)
def forget_compiled() -> Iterator[None]:
    yield
    torch.compiler.reset()


def test_exports_for_one_size_padding_included(small_network: CCNet) -> None:
    batch = torch.rand(1, 3, 50, 123)
    exported = export(small_network, (batch,)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(batch), small_network(batch))


@pytest.mark.slow
def test_exports_for_any_batch_and_fitting_size(small_network: CCNet) -> None:
    sides = {2: 4 * Dim("height", min=31, max=4096), 3: 4 * Dim("width", min=31, max=4096)}
    shapes = ({0: Dim("batch", max=64), **sides},)
    exported = export(small_network, (torch.rand(2, 3, 128, 136),), dynamic_shapes=shapes).module()
    for shape in ((1, 3, 124, 124), (3, 3, 160, 124), (2, 3, 512, 128)):
        batch = torch.rand(shape)
        with torch.no_grad():
            torch.testing.assert_close(exported(batch), small_network(batch))


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_compiles_without_a_graph_break(training: bool) -> None:
    torch.manual_seed(0)
    network = CCNet(width=2, modules=1).train(training)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    batch = torch.rand(2, 3, 125, 124)
    restored, expected = compiled(batch), network(batch)
    torch.testing.assert_close(restored, expected)
    gradients = [
        torch.autograd.grad(output.mean(), network.enter.weight)[0]
        for output in (restored, expected)
    ]
    torch.testing.assert_close(*gradients)
