"""The layer norm of a star module on a GPU, where nothing is to be learned, in Triton.

PyTorch's own gives each pixel, of which there are a million with few channels, a block of threads,
and autocast has it read and write float32: a quarter of the time of a picture (docs/engines.md).
Here a program takes as many pixels as fill it. `torch.nn.functional.layer_norm` is the reference
(`tests/network/test_channel_norm.py`).

Formatting and types stop where Triton's own language begins.
"""

# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
# fmt: off

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

VALUES = 2048
"""Of about so many pixels' channels in one program."""

WARPS = 4
"""Of 32 threads, which share a program."""


@triton.jit
def _normalise(
    features,
    weight,
    bias,
    result,
    pixels,
    eps,
    count: tl.constexpr,
    channels_at_once: tl.constexpr,  # a power of 2, which `count` need not be
    pixels_at_once: tl.constexpr,
):
    """Features and result (pixels, C), weight and bias (C,)."""
    pixel = tl.program_id(0).to(tl.int64) * pixels_at_once + tl.arange(0, pixels_at_once)
    channel = tl.arange(0, channels_at_once)
    real = channel < count
    inside = (pixel < pixels)[:, None] & real[None, :]
    places = pixel[:, None] * count + channel[None, :]
    values = tl.load(features + places, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(values, 1) / count
    centred = tl.where(inside, values - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, 1) / count
    scale = 1.0 / tl.sqrt(variance + eps)
    weights = tl.load(weight + channel, mask=real, other=0.0)
    biases = tl.load(bias + channel, mask=real, other=0.0)
    normed = centred * scale[:, None] * weights[None, :] + biases[None, :]
    tl.store(result + places, normed.to(result.dtype.element_ty), mask=inside)


@torch.library.custom_op("ccnet::channel_norm", mutates_args=())
def channel_norm(features: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Norm each pixel of (N, C, H, W) over its channels; `weight` and `bias` (C,) in float32.

    All on a GPU; to the shape and type of `features`, channels-last. Has no gradient.
    """
    features = features.contiguous(memory_format=torch.channels_last)
    samples, count, height, width = features.shape
    result = torch.empty_like(features)
    pixels = samples * height * width
    channels_at_once = triton.next_power_of_2(count)
    pixels_at_once = max(1, VALUES // channels_at_once)
    with torch.cuda.device_of(features):
        _normalise[(triton.cdiv(pixels, pixels_at_once),)](
            features,
            weight,
            bias,
            result,
            pixels,
            eps,
            count,
            channels_at_once,
            pixels_at_once,
            num_warps=WARPS,
        )
    return result


@channel_norm.register_fake
def _(features: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:  # noqa: ARG001
    return torch.empty_like(features, memory_format=torch.channels_last)
