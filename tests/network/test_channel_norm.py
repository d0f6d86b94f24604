"""The Triton form of the layer norm against PyTorch's, run by Triton's interpreter.

`tests/conftest.py` turns that on where there is no GPU.
"""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton", reason="Triton is for Linux on x86-64")

from ccnet.network import on_gpu
from ccnet.network.channel_norm import VALUES, channel_norm
from ccnet.network.star import ChannelNorm

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def made(samples: int, channels: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features far from 0, as those of a bright picture are, and a norm's weight and bias."""
    generator = torch.Generator().manual_seed(channels)
    features = 20 + 3 * torch.randn(samples, channels, height, width, generator=generator)
    weight, bias = torch.randn(2, channels, generator=generator)
    return features.to(DEVICE), weight.to(DEVICE), bias.to(DEVICE)


@pytest.mark.parametrize(
    "shape",
    [
        (2, 40, 5, 13),  # the published width, which is no power of 2
        (1, 160, 3, 4),
        (1, 16, VALUES // 16 // 8, 8),  # fills one program
        (1, 16, 1, 1),
        (1, 3, 9, 7),
    ],
)
def test_agrees_with_pytorch(shape: tuple[int, int, int, int]) -> None:
    features, weight, bias = made(*shape)
    result = channel_norm(features, weight, bias, 1e-5)
    assert result.is_contiguous(memory_format=torch.channels_last)
    pixels = features.double().permute(0, 2, 3, 1)
    expected = F.layer_norm(pixels, shape[1:2], weight.double(), bias.double(), 1e-5)
    assert torch.allclose(result.double(), expected.permute(0, 3, 1, 2), atol=2e-5)


def test_pixels_of_one_value_become_the_bias() -> None:
    _, weight, bias = made(1, 8, 1, 1)
    result = channel_norm(torch.full((1, 8, 2, 2), 7.0, device=DEVICE), weight, bias, 1e-5)
    assert torch.allclose(result, bias[None, :, None, None].expand_as(result))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once_at_the_end(kind: torch.dtype) -> None:
    features, weight, bias = made(1, 40, 4, 4)
    result = channel_norm(features.to(kind), weight, bias, 1e-5)
    assert result.dtype is kind
    pixels = features.to(kind).float().permute(0, 2, 3, 1)
    expected = F.layer_norm(pixels, (40,), weight, bias, 1e-5).permute(0, 3, 1, 2)
    # Sums in another order may round the other way, by one unit in the last place.
    assert torch.allclose(result.float(), expected, rtol=torch.finfo(kind).eps, atol=1e-5)


def test_the_compiler_is_told_what_comes_out() -> None:
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(channel_norm, (*made(1, 8, 3, 5), 1e-5), test_utils=checks)


def test_only_what_learns_takes_pytorchs_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccnet.network.on_gpu.triton_runs", lambda _: True)
    in_triton = Mock(side_effect=channel_norm)
    monkeypatch.setattr(on_gpu, "channel_norm", SimpleNamespace(channel_norm=in_triton))
    features, _, _ = made(1, 40, 16, 16)
    norm = ChannelNorm(40).to(DEVICE)
    learned = norm(features)
    assert learned.requires_grad
    in_triton.assert_not_called()
    with torch.inference_mode():
        assert torch.allclose(norm(features), learned, atol=1e-5)
    in_triton.assert_called_once()
