"""A dynamic strip on a GPU, where nothing is to be learned, in Triton.

PyTorch's own pads the features, turns them for two of the four directions and convolves them in
groups that cuDNN has no good kernels for, each a pass through memory or more. Here a program reads
the taps' pixels where they lie, the reflected ones too, adds up in float32 and writes once.
`ccnet.network.integration.filter_by_convolution` is the reference
(`tests/network/test_strips.py`).

Formatting and types stop where Triton's own language begins.
"""

# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
# fmt: off

from __future__ import annotations

import math

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

VALUES = 1024
"""Of neighbouring pixels' channels in one program at most, if a pixel has no more."""

PIECE = 8
"""Values that lie together at most: 16 bytes of float16, which one instruction reads."""

WARPS = 4
"""Of 32 threads, which share a program."""


# Sizes are kept from the compiler, which would make a kernel for each kind of picture and strip.
@triton.jit(
    do_not_specialize=[
        "filters_step", "features_step", "features_shift", "original_step", "original_shift",
        "pixels", "inner", "length", "dilation", "blend",
    ]
)
def _filter(
    features,
    filters,
    original,
    gamma,
    beta,
    result,
    filters_step,  # from one sample's filter to the next one's, 0 if they share it
    features_step,  # from pixel to pixel, and from there to the first channel, in pieces
    features_shift,
    original_step,
    original_shift,
    pixels,  # of one picture
    inner,  # pixels from one to the next in the strip's direction
    length,  # of that direction
    dilation,
    blend,  # with the original: 1, or 0
    count: tl.constexpr,
    piece: tl.constexpr,
    taps: tl.constexpr,
    pixels_at_once: tl.constexpr,
    values_at_once: tl.constexpr,  # a power of 2, in which those pixels fit
):
    """Features, original and result (N, H, W, C), filters (N or 1, taps), gamma and beta (C,)."""
    value = tl.arange(0, values_at_once)
    channel = value % count
    pixel = tl.program_id(0) * pixels_at_once + value // count
    inside = (value < pixels_at_once * count) & (pixel < pixels)
    along = pixel // inner % length
    sample = tl.program_id(1).to(tl.int64)
    picture = sample * pixels

    total = tl.zeros((values_at_once,), tl.float32)
    for tap in tl.static_range(taps):
        moved = along + (tap - taps // 2) * dilation
        moved = tl.maximum(moved, -moved)
        moved = tl.minimum(moved, 2 * (length - 1) - moved)
        source = picture + (pixel + (moved - along) * inner)
        places = (source * features_step + features_shift) * piece + channel
        values = tl.load(features + places, mask=inside, other=0.0).to(tl.float32)
        total += values * tl.load(filters + sample * filters_step + tap)
    if blend:
        places = ((picture + pixel) * original_step + original_shift) * piece + channel
        values = tl.load(original + places, mask=inside, other=0.0).to(tl.float32)
        gammas = tl.load(gamma + channel)
        betas = tl.load(beta + channel)
        total = gammas * total + betas * values
    places = (picture + pixel) * count + channel
    tl.store(result + places, total.to(result.dtype.element_ty), mask=inside)


@torch.library.custom_op("ccnet::strip", mutates_args=())
def strip(
    features: Tensor,
    filters: Tensor,
    dilation: int,
    horizontal: bool,
    original: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Filter (N, C, H, W) along one direction with its taps (N or 1, k), the border reflected.

    With `original`, like `features`, and `gamma` and `beta` of C values in float32, gives
    gamma * filtered + beta * original. All on a GPU; to the shape and type of `features`,
    channels-last. Neither need be copied if it is channels-last, or some channels of such. Has no
    gradient. Raises ValueError where the filtered side is not longer than (k - 1) / 2 * dilation.
    """
    samples, count, height, width = features.shape
    taps = filters.shape[1]
    length = width if horizontal else height
    if (taps - 1) // 2 * dilation >= length:
        raise ValueError(f"{taps} taps {dilation} apart reach over {length} pixels.")
    result = torch.empty_like(features, memory_format=torch.channels_last)
    filters = filters.float().contiguous()
    blend = original is not None
    if original is None or gamma is None or beta is None:
        original, gamma, beta = features, filters, filters  # which are not read
    features, features_step, features_shift = _pixels(features)
    original, original_step, original_shift = _pixels(original)
    piece = math.gcd(
        PIECE, count, features_step, features_shift, original_step, original_shift
    )
    pixels_at_once = max(1, VALUES // count)
    with torch.cuda.device_of(features):
        _filter[(triton.cdiv(height * width, pixels_at_once), samples)](
            features,
            filters,
            original,
            gamma.flatten(),
            beta.flatten(),
            result,
            taps if len(filters) > 1 else 0,
            features_step // piece,
            features_shift // piece,
            original_step // piece,
            original_shift // piece,
            height * width,
            1 if horizontal else width,
            length,
            dilation,
            int(blend),
            count,
            piece,
            taps,
            pixels_at_once,
            triton.next_power_of_2(pixels_at_once * count),
            num_warps=WARPS,
        )
    return result


def _pixels(features: Tensor) -> tuple[Tensor, int, int]:
    """The pixels (P, C) of (N, C, H, W), the values from one to the next, and those left out first.

    The tensor begins earlier by those, at the first channel of all: the compiler asks for an
    address that 16 divides, or reads each value by itself.
    """
    pixels = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    if pixels.stride(1) != 1:
        pixels = pixels.contiguous()
    step = pixels.stride(0)
    start = int(pixels.storage_offset())
    shift = start % max(1, step)
    return pixels.as_strided(pixels.shape, pixels.stride(), start - shift), step, shift


@strip.register_fake
def _(
    features: Tensor,
    filters: Tensor,  # noqa: ARG001
    dilation: int,  # noqa: ARG001
    horizontal: bool,  # noqa: ARG001
    original: Tensor | None = None,  # noqa: ARG001
    gamma: Tensor | None = None,  # noqa: ARG001
    beta: Tensor | None = None,  # noqa: ARG001
) -> Tensor:
    return torch.empty_like(features, memory_format=torch.channels_last)
