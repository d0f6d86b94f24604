"""What a star module does to each value, on a GPU where nothing is to be learned, in Triton.

Bias, GELU, product and GELU are a pass through memory each in PyTorch. Here both branches are read
once and their star is written once, rounded once. `torch.nn.functional.gelu` is the reference
(`tests/network/test_star_tail.py`).

Formatting and types stop where Triton's own language begins.
"""

# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
# fmt: off

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

VALUES = 1024
"""Of neighbouring pixels' channels in one program at most, if a pixel has no more."""

WARPS = 4
"""Of 32 threads, which share a program."""


@triton.jit
def _gelu(x):
    return 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))


@triton.jit(do_not_specialize=["pixels"])
def _multiply(
    convolved,
    bias,
    plain,
    result,
    pixels,
    count: tl.constexpr,
    pixels_at_once: tl.constexpr,
    values_at_once: tl.constexpr,  # a power of 2, in which those pixels fit
):
    """Convolved, plain and result (pixels, C), bias (C,)."""
    value = tl.arange(0, values_at_once)
    start = tl.program_id(0).to(tl.int64) * pixels_at_once
    inside = (value < pixels_at_once * count) & (start + value // count < pixels)
    places = start * count + value
    context = tl.load(convolved + places, mask=inside, other=0.0).to(tl.float32)
    context = _gelu(context + tl.load(bias + value % count))
    star = _gelu(context * tl.load(plain + places, mask=inside, other=0.0).to(tl.float32))
    tl.store(result + places, star.to(result.dtype.element_ty), mask=inside)


@torch.library.custom_op("ccnet::star_tail", mutates_args=())
def star_tail(convolved: Tensor, bias: Tensor, plain: Tensor) -> Tensor:
    """Give gelu(gelu(convolved + bias) * plain): `convolved` and `plain` (N, C, H, W), `bias` (C,).

    All on a GPU; to the shape and type of `convolved`, channels-last. Has no gradient.
    """
    convolved = convolved.contiguous(memory_format=torch.channels_last)
    plain = plain.contiguous(memory_format=torch.channels_last)
    samples, count, height, width = convolved.shape
    result = torch.empty_like(convolved)
    pixels = samples * height * width
    pixels_at_once = max(1, VALUES // count)
    with torch.cuda.device_of(convolved):
        _multiply[(triton.cdiv(pixels, pixels_at_once),)](
            convolved,
            bias,
            plain,
            result,
            pixels,
            count,
            pixels_at_once,
            triton.next_power_of_2(pixels_at_once * count),
            num_warps=WARPS,
        )
    return result


@star_tail.register_fake
def _(convolved: Tensor, bias: Tensor, plain: Tensor) -> Tensor:  # noqa: ARG001
    return torch.empty_like(convolved, memory_format=torch.channels_last)
