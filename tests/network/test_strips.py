"""The Triton form of a dynamic strip against PyTorch's, run by Triton's interpreter.

`tests/conftest.py` turns that on where there is no GPU.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is for Linux on x86-64")

from ccnet.network import CCNet
from ccnet.network.integration import LargeDynamicIntegrationModule, filter_by_convolution
from ccnet.network.strips import VALUES, strip

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def made(samples: int, channels: int, height: int, width: int, taps: int) -> tuple[Tensor, Tensor]:
    """Features that are channels-last, and each sample's filter."""
    generator = torch.Generator().manual_seed(channels)
    features = torch.randn(samples, channels, height, width, generator=generator)
    filters = torch.rand(samples, taps, generator=generator)
    return features.to(DEVICE, memory_format=torch.channels_last), filters.to(DEVICE)


def by_convolution(features: Tensor, filters: Tensor, dilation: int, horizontal: bool) -> Tensor:
    """PyTorch's form in float64, the filters shared where there is one."""
    rows = features.double() if horizontal else features.double().transpose(2, 3)
    filters = filters.double().expand(len(features), -1)
    filtered = filter_by_convolution(rows, filters, dilation)
    return filtered if horizontal else filtered.transpose(2, 3)


@pytest.mark.parametrize("horizontal", [True, False])
@pytest.mark.parametrize(
    ("taps", "dilation", "channels", "along", "across"),
    [
        (7, 1, 20, 4, 15),  # the shortest side, and more than one program of no power of 2
        (7, 4, 8, 13, 3),
        (11, 1, 40, 9, 5),
        (11, 6, 16, 31, 3),
        (11, 6, 3, 33, 1),
        (3, 2, VALUES + 4, 3, 1),  # more channels than a program's values
    ],
)
def test_agrees_with_pytorch(
    horizontal: bool, taps: int, dilation: int, channels: int, along: int, across: int
) -> None:
    sides = (across, along) if horizontal else (along, across)
    features, filters = made(2, channels, *sides, taps)
    result = strip(features, filters, dilation, horizontal)
    assert result.is_contiguous(memory_format=torch.channels_last)
    expected = by_convolution(features, filters, dilation, horizontal)
    assert torch.allclose(result.double(), expected, atol=1e-5)


@pytest.mark.parametrize("horizontal", [True, False])
def test_halves_of_the_channels_and_other_layouts_agree(horizontal: bool) -> None:
    features, filters = made(2, 24, 5, 7, 7)
    filters = filters[:1]  # shared by both samples
    for part in (*features.chunk(2, dim=1), features.contiguous(), features[1:, 4:, :, 1:-1]):
        result = strip(part, filters, 1, horizontal)
        assert result.is_contiguous(memory_format=torch.channels_last)
        expected = by_convolution(part, filters, 1, horizontal)
        assert torch.allclose(result.double(), expected, atol=1e-5)


@pytest.mark.parametrize("half", [0, 1])
def test_blends_with_the_original(half: int) -> None:
    features, filters = made(2, 24, 5, 4, 7)
    original = features.chunk(2, dim=1)[half]
    gamma, beta = torch.randn(2, 12, 1, 1, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    filtered = original + 1
    result = strip(filtered, filters, 1, False, original, gamma, beta)
    expected = gamma * by_convolution(filtered, filters, 1, False) + beta * original
    assert torch.allclose(result.double(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_at_the_end(kind: torch.dtype) -> None:
    features, filters = made(1, 20, 7, 5, 11)
    features = features.to(kind)
    gamma, beta = torch.randn(2, 20, 1, 1, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    result = strip(features, filters, 1, False, features, gamma, beta)
    assert result.dtype is kind
    expected = gamma * by_convolution(features, filters, 1, False) + beta * features
    # Sums in another order may round the other way, by one unit in the last place.
    assert torch.allclose(result.double(), expected, rtol=torch.finfo(kind).eps, atol=1e-5)


def test_a_side_too_short_to_reflect_is_refused() -> None:
    features, filters = made(1, 4, 3, 9, 7)
    with pytest.raises(ValueError, match="7 taps"):
        strip(features, filters, 1, False)


def test_the_compiler_is_told_what_comes_out() -> None:
    features, filters = made(1, 16, 4, 5, 7)
    gamma, beta = torch.ones(2, 8, 1, 1, device=DEVICE)
    part = features.chunk(2, dim=1)[1]
    for rest in ((), (part, gamma, beta)):
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(strip, (part, filters, 1, True, *rest), test_utils=checks)


def test_integration_in_triton_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    integration = LargeDynamicIntegrationModule(8, (7, 3)).eval().to(DEVICE)
    for parameter in integration.parameters():
        torch.nn.init.normal_(parameter)
    features, _ = made(2, 8, 13, 14, 7)
    learned = integration(features)
    monkeypatch.setattr("ccnet.network.on_gpu.triton_infers", lambda _: not torch.is_grad_enabled())
    with torch.no_grad():
        inferred = integration(features)
    assert learned.requires_grad
    assert not torch.equal(inferred, learned)  # the sums are in another order
    assert torch.allclose(inferred, learned, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_agrees_with_that_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    network = CCNet(8, 2).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter, std=0.1)
    picture = torch.rand(2, 3, 130, 150)
    with torch.inference_mode():
        expected = network(picture)
        given = network.cuda()(picture.cuda().contiguous(memory_format=torch.channels_last))
    assert torch.allclose(given.cpu(), expected, atol=1e-4)
