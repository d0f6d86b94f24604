from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ccnet.network import CCNet, PinnedAverages, SharedAverages
from ccnet.network.ccnet import Block
from ccnet.network.inference import FoldedStarModule, filter_by_shifts, for_inference
from ccnet.network.integration import Strips, filter_by_convolution
from ccnet.network.star import EfficientResidualStarModule


def trained(
    width: int, modules: int, block: Block = "star", strips: Strips | None = (11, 7), seed: int = 0
) -> CCNet:
    """A network none of whose weights is what it starts as, for 1 and 0 would hide mistakes."""
    torch.manual_seed(seed)
    network = CCNet(width, modules, block=block, strips=strips).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def pictures(samples: int, height: int, width: int) -> Tensor:
    """Noise of a brightness for each sample, so that averages shared by mistake would show."""
    brightness = torch.linspace(0.2, 1.0, samples)[:, None, None, None]
    return torch.rand(samples, 3, height, width) * brightness


@pytest.mark.slow
@settings(max_examples=25)
@given(
    width=st.sampled_from([2, 4, 6]),
    modules=st.integers(1, 3),
    block=st.sampled_from(["star", "residual"]),
    strips=st.sampled_from([None, (3, 3), (5, 9), (11, 7)]),
    fold=st.booleans(),
    samples=st.integers(1, 3),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    seed=st.integers(0, 2**31),
)
@example(2, 1, "star", (11, 7), True, 1, (1, 1), 0)
@example(4, 2, "star", (11, 7), True, 2, (125, 131), 0)
@example(4, 2, "star", None, True, 3, (7, 2), 0)
@example(2, 1, "residual", (11, 7), False, 2, (140, 72), 708)
def test_restores_as_the_network_does(
    width: int,
    modules: int,
    block: Block,
    strips: Strips | None,
    fold: bool,
    samples: int,
    size: tuple[int, int],
    seed: int,
) -> None:
    network = trained(width, modules, block, strips, seed)
    batch = pictures(samples, *size)
    for kind, share in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        network, batch = network.to(kind), batch.to(kind)
        form = for_inference(for_inference(network, fold=fold))  # which leaves its own as it is
        with torch.no_grad():
            expected = network(batch)
            largest = float(expected.abs().max())
            if kind is torch.float32 and largest > 1000:
                continue  # of a network whose random weights enlarge float32's rounding as well
            tolerance = share * max(1.0, largest)
            torch.testing.assert_close(form(batch), expected, rtol=0, atol=tolerance)
            alone = torch.cat([form(picture[None]) for picture in batch])
            torch.testing.assert_close(form(batch), alone, rtol=0, atol=tolerance)


@pytest.mark.parametrize("fold", [False, True])
def test_asks_for_the_same_averages_and_takes_those_given(fold: bool) -> None:
    network = trained(4, 2)
    form = for_inference(network, fold=fold)
    picture, other = torch.rand(1, 3, 132, 124), torch.rand(1, 3, 140, 128)
    own, its = SharedAverages(), SharedAverages()
    with torch.no_grad():
        network(picture, own)
        form(picture, its)
        torch.testing.assert_close(its.values, own.values, rtol=1e-4, atol=1e-4)
        values = torch.cat(own.values, 1).flatten()
        pinned = form(other, PinnedAverages(values))
        torch.testing.assert_close(
            pinned, network(other, PinnedAverages(values)), rtol=1e-4, atol=1e-4
        )
        assert (pinned - form(other)).abs().max() > 1e-2


@pytest.mark.parametrize("horizontal", [True, False])
@pytest.mark.parametrize(("taps", "dilation"), [(11, 6), (7, 1), (3, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shifts_filter_as_a_convolution_does(
    horizontal: bool, taps: int, dilation: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    features = torch.randn(3, 4, 31, 40, dtype=torch.float64).contiguous(memory_format=layout)
    filters = torch.randn(3, taps, dtype=torch.float64)
    rows = features if horizontal else features.transpose(2, 3)
    expected = filter_by_convolution(rows, filters, dilation)
    expected = expected if horizontal else expected.transpose(2, 3)
    filtered = filter_by_shifts(features, filters, dilation, horizontal)
    torch.testing.assert_close(filtered, expected)


def test_a_folded_norm_is_exact() -> None:
    torch.manual_seed(0)
    star = EfficientResidualStarModule(6).double()
    torch.nn.init.normal_(star.norm.weight)
    torch.nn.init.normal_(star.norm.bias)
    features = 5 + torch.randn(2, 6, 20, 24, dtype=torch.float64)
    folded = FoldedStarModule(star).double()
    with torch.no_grad():
        torch.testing.assert_close(folded(features), star(features))


def test_the_network_stays_as_it_was() -> None:
    network = trained(2, 1).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    form = for_inference(network, fold=True)
    with torch.no_grad():
        for parameter in form.parameters():
            parameter.zero_()
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.state_dict().keys() == before.keys()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
