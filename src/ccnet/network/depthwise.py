"""The 9x9 depthwise convolution of a star module on a GPU, forwards and backwards, in Triton.

cuDNN has no kernels made for so large a window over each channel by itself: on an H200 these take a
seventh of its time forwards and an eleventh backwards (`benchmarks/depthwise.py`). They read
features that are channels-last, so that neighbouring threads take neighbouring channels, keep rows
of a picture in registers while the window moves over them, and add up in float32.
`torch.nn.functional.conv2d` is the reference (`tests/network/test_depthwise.py`).

Formatting and types stop where Triton's own language begins.
"""

# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
# fmt: off

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

WINDOW = 9
"""Side of the kernel."""

ROWS = 4
"""Rows that one program makes: each row of the input serves for all of them."""

COLUMNS = 64
"""Pixels of a row in one program."""

CHANNELS = 8
"""Channels in one program at most: 16 bytes of bfloat16, which one instruction reads."""

LARGEST = 2**31 - 1
"""Values of one picture at most: places in it are counted in 32 bits."""

WARPS = 4
"""Of 32 threads, which share a program."""


@triton.jit
def _row(pointer, row, columns, channels, height, width, count: tl.constexpr):
    """Read one row (columns, channels) of a channels-last picture, with 0 outside of it."""
    inside = (columns >= 0) & (columns < width) & (row >= 0) & (row < height)
    places = pointer + (row * width + columns)[:, None] * count + channels[None, :]
    return tl.load(places, mask=inside[:, None], other=0.0).to(tl.float32)


@triton.jit
def _convolve(
    features,
    kernel,
    result,
    height,
    width,
    count: tl.constexpr,
    columns_at_once: tl.constexpr,
    channels_at_once: tl.constexpr,
):
    """Four rows of the result: features (N, H, W, C), kernel (81, C), result (N, H, W, C)."""
    across = tl.cdiv(width, columns_at_once)
    channels = tl.program_id(1) * channels_at_once + tl.arange(0, channels_at_once)
    top = tl.program_id(0) // across * 4
    columns = tl.program_id(0) % across * columns_at_once + tl.arange(0, columns_at_once)
    picture = tl.program_id(2).to(tl.int64) * height * width * count
    features += picture
    result += picture

    first = tl.zeros((columns_at_once, channels_at_once), tl.float32)
    second = tl.zeros((columns_at_once, channels_at_once), tl.float32)
    third = tl.zeros((columns_at_once, channels_at_once), tl.float32)
    fourth = tl.zeros((columns_at_once, channels_at_once), tl.float32)
    for x in range(9):
        for y in tl.static_range(12):
            row = _row(
                features, top + y - 4, columns + x - 4, channels, height, width, count
            )
            if y < 9:
                tap = tl.load(kernel + (y * 9 + x) * count + channels)
                first += row * tap[None, :]
            if y >= 1 and y < 10:
                tap = tl.load(kernel + ((y - 1) * 9 + x) * count + channels)
                second += row * tap[None, :]
            if y >= 2 and y < 11:
                tap = tl.load(kernel + ((y - 2) * 9 + x) * count + channels)
                third += row * tap[None, :]
            if y >= 3:
                tap = tl.load(kernel + ((y - 3) * 9 + x) * count + channels)
                fourth += row * tap[None, :]

    places = result + (top * width + columns)[:, None] * count + channels[None, :]
    inside = (columns < width)[:, None]
    step = width * count
    kind = result.dtype.element_ty
    tl.store(places, first.to(kind), mask=inside & (top < height))
    tl.store(places + step, second.to(kind), mask=inside & (top + 1 < height))
    tl.store(places + 2 * step, third.to(kind), mask=inside & (top + 2 < height))
    tl.store(places + 3 * step, fourth.to(kind), mask=inside & (top + 3 < height))


@triton.jit
def _advance(
    features, gradient, y, columns, moved, channels, height, width, count: tl.constexpr,
    s0, s1, s2, s3, s4, s5, s6, s7, s8, r0, r1, r2, r3, r4, r5, r6, r7,
):
    """Add up row `y`, around which `r0` to `r7` lie, and give the sums and the row that is next."""
    r8 = _row(features, y + 4, moved, channels, height, width, count)
    g = _row(gradient, y, columns, channels, height, width, count)
    return (
        s0 + g * r0, s1 + g * r1, s2 + g * r2, s3 + g * r3, s4 + g * r4,
        s5 + g * r5, s6 + g * r6, s7 + g * r7, s8 + g * r8, r8,
    )


@triton.jit
def _correlate(
    features,
    gradient,
    sums,
    height: tl.constexpr,  # known to the compiler, for training has few sizes
    width,
    count: tl.constexpr,
    columns_at_once: tl.constexpr,
    channels_at_once: tl.constexpr,
):
    """One column of the window's gradient: features and gradient (N, H, W, C), sums (P, 81, C).

    Goes down a stripe of the picture with the rows that the window covers in registers; each takes
    the place of the one that the window has left.
    """
    across = tl.cdiv(width, columns_at_once)
    x = tl.program_id(0) % 9
    stripe = tl.program_id(0) // 9
    channels = tl.program_id(1) * channels_at_once + tl.arange(0, channels_at_once)
    columns = stripe % across * columns_at_once + tl.arange(0, columns_at_once)
    picture = (stripe // across).to(tl.int64) * height * width * count
    features += picture
    gradient += picture
    moved = columns + x - 4

    zero = tl.zeros((columns_at_once, channels_at_once), tl.float32)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    r0, r1, r2, r3 = zero, zero, zero, zero
    r4 = _row(features, 0, moved, channels, height, width, count)
    r5 = _row(features, 1, moved, channels, height, width, count)
    r6 = _row(features, 2, moved, channels, height, width, count)
    r7 = _row(features, 3, moved, channels, height, width, count)
    for y in range(0, height, 9):
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r8 = _advance(
            features, gradient, y, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r0, r1, r2, r3, r4, r5, r6, r7,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r0 = _advance(
            features, gradient, y + 1, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r1, r2, r3, r4, r5, r6, r7, r8,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r1 = _advance(
            features, gradient, y + 2, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r2, r3, r4, r5, r6, r7, r8, r0,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r2 = _advance(
            features, gradient, y + 3, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r3, r4, r5, r6, r7, r8, r0, r1,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r3 = _advance(
            features, gradient, y + 4, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r4, r5, r6, r7, r8, r0, r1, r2,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r4 = _advance(
            features, gradient, y + 5, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r5, r6, r7, r8, r0, r1, r2, r3,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r5 = _advance(
            features, gradient, y + 6, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r6, r7, r8, r0, r1, r2, r3, r4,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r6 = _advance(
            features, gradient, y + 7, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r7, r8, r0, r1, r2, r3, r4, r5,
        )
        s0, s1, s2, s3, s4, s5, s6, s7, s8, r7 = _advance(
            features, gradient, y + 8, columns, moved, channels, height, width, count,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, r8, r0, r1, r2, r3, r4, r5, r6,
        )
    places = sums + stripe.to(tl.int64) * 81 * count + x * count + channels
    step = 9 * count
    tl.store(places, tl.sum(s0, 0))
    tl.store(places + step, tl.sum(s1, 0))
    tl.store(places + 2 * step, tl.sum(s2, 0))
    tl.store(places + 3 * step, tl.sum(s3, 0))
    tl.store(places + 4 * step, tl.sum(s4, 0))
    tl.store(places + 5 * step, tl.sum(s5, 0))
    tl.store(places + 6 * step, tl.sum(s6, 0))
    tl.store(places + 7 * step, tl.sum(s7, 0))
    tl.store(places + 8 * step, tl.sum(s8, 0))


@torch.library.custom_op("ccnet::depthwise", mutates_args=())
def depthwise(features: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each channel of (N, C, H, W) with its own 9x9 `kernel` (C, 1, 9, 9), zero-padded.

    Both on a GPU, `kernel` in float32; to the shape and type of `features`, channels-last.
    """
    features = features.contiguous(memory_format=torch.channels_last)
    samples, count, height, width = features.shape
    together = math.gcd(count, CHANNELS)
    result = torch.empty_like(features)
    taps = kernel.float().reshape(count, WINDOW * WINDOW).t().contiguous()
    blocks = triton.cdiv(height, ROWS) * triton.cdiv(width, COLUMNS)
    with torch.cuda.device_of(features):
        _convolve[(blocks, count // together, samples)](
            features,
            taps,
            result,
            height,
            width,
            count,
            COLUMNS,
            together,
            num_warps=WARPS,
        )
    return result


@depthwise.register_fake
def _(features: Tensor, kernel: Tensor) -> Tensor:  # noqa: ARG001
    return torch.empty_like(features, memory_format=torch.channels_last)


@torch.library.custom_op("ccnet::depthwise_gradient", mutates_args=())
def depthwise_gradient(features: Tensor, gradient: Tensor) -> Tensor:
    """The kernel's gradient (C, 1, 9, 9), of features and the result's gradient (N, C, H, W)."""
    features = features.contiguous(memory_format=torch.channels_last)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    samples, count, height, width = features.shape
    together = math.gcd(count, CHANNELS)
    stripes = samples * triton.cdiv(width, COLUMNS)
    sums = features.new_empty((stripes, WINDOW * WINDOW, count), dtype=torch.float32)
    with torch.cuda.device_of(features):
        _correlate[(WINDOW * stripes, count // together)](
            features,
            gradient,
            sums,
            height,
            width,
            count,
            COLUMNS,
            together,
            num_warps=WARPS,
        )
    return sums.sum(0).t().contiguous().view(count, 1, WINDOW, WINDOW)


@depthwise_gradient.register_fake
def _(features: Tensor, gradient: Tensor) -> Tensor:  # noqa: ARG001
    shape = (features.shape[1], 1, WINDOW, WINDOW)
    return features.new_empty(shape, dtype=torch.float32)


@torch.compiler.assume_constant_result
def works(device: torch.device) -> bool:
    """Tell whether Triton's kernels run on a GPU: tried once, and warned of with the reason if not.

    Triton needs a C compiler, a folder to write to and a card that is not too old.
    """
    return _tried(device)


@lru_cache
def _tried(device: torch.device) -> bool:
    try:
        depthwise(torch.zeros(1, 1, 1, 1, device=device), torch.zeros(1, 1, 9, 9, device=device))
    except Exception as error:  # noqa: BLE001  # of Triton's own kinds, and of the driver's
        warnings.warn(
            f"Triton does not run on {device}, so the network takes "
            f"PyTorch's slower forms: {error}",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return True


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    features, kernel = ctx.saved_tensors
    return (
        depthwise(gradient.to(features.dtype), kernel.flip(2, 3)),
        depthwise_gradient(features, gradient.to(features.dtype)),
    )


depthwise.register_autograd(_backward, setup_context=_keep)
