"""The Triton form of a star module's tail against PyTorch's, run by Triton's interpreter.

`tests/conftest.py` turns that on where there is no GPU.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton", reason="Triton is for Linux on x86-64")

from ccnet.network.star import EfficientResidualStarModule
from ccnet.network.star_tail import VALUES, star_tail

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def made(samples: int, channels: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """What was convolved, its bias, and the plain branch."""
    generator = torch.Generator().manual_seed(channels)
    shape = (samples, channels, height, width)
    convolved, plain = (2 * torch.randn(shape, generator=generator).to(DEVICE) for _ in range(2))
    return convolved, torch.randn(channels, generator=generator).to(DEVICE), plain


def by_pytorch(convolved: Tensor, bias: Tensor, plain: Tensor) -> Tensor:
    biased = convolved.double() + bias.double()[:, None, None]
    return F.gelu(F.gelu(biased) * plain.double())


@pytest.mark.parametrize(
    "shape",
    [
        (2, 40, 5, 7),  # the published width, which is no power of 2
        (1, 16, VALUES // 16 // 8, 8),  # fills one program
        (1, 3, 1, 1),
        (1, VALUES + 4, 1, 2),
    ],
)
def test_agrees_with_pytorch(shape: tuple[int, int, int, int]) -> None:
    convolved, bias, plain = made(*shape)
    result = star_tail(convolved, bias, plain)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(result.double(), by_pytorch(convolved, bias, plain), atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_at_the_end(kind: torch.dtype) -> None:
    convolved, bias, plain = made(1, 20, 4, 4)
    convolved, plain = convolved.to(kind), plain.to(kind)
    result = star_tail(convolved, bias, plain)
    assert result.dtype is kind
    expected = by_pytorch(convolved, bias, plain)
    # Rounded from float32, which may lie on the other side of the middle of two.
    assert torch.allclose(result.double(), expected, rtol=torch.finfo(kind).eps, atol=1e-6)


def test_the_compiler_is_told_what_comes_out() -> None:
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(star_tail, made(1, 8, 3, 5), test_utils=checks)


@pytest.mark.parametrize("strips", [None, (3, 3)])
def test_a_star_module_in_triton_agrees(
    strips: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    star = EfficientResidualStarModule(8, strips).eval().to(DEVICE)
    for parameter in star.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.randn(1, 8, 6, 5, device=DEVICE)
    with torch.no_grad():
        monkeypatch.setattr("ccnet.network.on_gpu.triton_runs", lambda _: False)
        expected = star(features)
        monkeypatch.setattr("ccnet.network.on_gpu.triton_runs", lambda _: True)
        given = star(features)
    assert not torch.equal(given, expected)  # the sums are in another order
    assert torch.allclose(given, expected, rtol=1e-4, atol=1e-4)
