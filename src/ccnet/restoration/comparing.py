"""Two pictures beside each other, what differs between them, and how much, on NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ccnet.errors import PictureError
from ccnet.images import Picture, to_srgb

GAIN = 4
"""What a difference is multiplied with to be seen."""

_ROWS = 256  # a picture is never held in floats as a whole
_LINES = 320  # the line between two pictures is this part of their width

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # of Wang et al., for a data range of 1


def side_by_side(before: Picture, after: Picture) -> Picture:
    """Put two pictures beside each other, in sRGB and 8 bits, with a white line between them.

    Both functions that make a picture take two of the same size, leave alpha out, and raise
    `PictureError` for others.
    """
    height, width = _shared_size(before, after)
    line = max(2, width // _LINES)
    pixels = np.full((height, 2 * width + line, 3), 255, np.uint8)
    for rows, first, second in _bands(before, after):
        pixels[rows, :width] = np.rint(first * 255)
        pixels[rows, width + line :] = np.rint(second * 255)
    return Picture(pixels)


def difference(before: Picture, after: Picture) -> Picture:
    """Show by how much two pictures differ, times `GAIN`, in 8 bits: black where they are equal."""
    pixels = np.empty((*_shared_size(before, after), 3), np.uint8)
    for rows, first, second in _bands(before, after):
        pixels[rows] = np.rint(np.minimum(np.abs(first - second) * GAIN, 1) * 255)
    return Picture(pixels)


def psnr(before: Picture, after: Picture) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in sRGB; infinite where they are equal."""
    height, width = _shared_size(before, after)
    squares = sum(float(np.square(a - b).sum()) for _, a, b in _bands(before, after))
    return -10 * math.log10(squares / (height * width * 3)) if squares else math.inf


def ssim(before: Picture, after: Picture) -> float | None:
    """Mean SSIM of the channels of two pictures in sRGB, or None where a side is under 11 pixels.

    As Wang et al. first defined it, "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (TIP 2004): an 11x11 Gaussian window, sigma 1.5, over all places inside the picture.
    `ccnet evaluate` calls this ssim, too.
    """
    height, width = _shared_size(before, after)
    if min(height, width) < _WINDOW:
        return None
    total = 0.0
    for _, first, second in _bands(before, after, overlap=_WINDOW - 1):
        mean_first, mean_second = _local_mean(first), _local_mean(second)
        squares, product = mean_first**2 + mean_second**2, mean_first * mean_second
        variances = _local_mean(first**2 + second**2) - squares
        covariance = _local_mean(first * second) - product
        luminance = (2 * product + _C1) / (squares + _C1)
        structure = (2 * covariance + _C2) / (variances + _C2)
        total += float((luminance * structure).sum())
    return total / ((height - _WINDOW + 1) * (width - _WINDOW + 1) * 3)


def _shared_size(before: Picture, after: Picture) -> tuple[int, int]:
    height, width, _ = before.pixels.shape
    if after.pixels.shape[:2] != (height, width):
        other = f"{after.pixels.shape[1]} by {after.pixels.shape[0]}"
        raise PictureError(
            f"One picture is {width} by {height} pixels and the other {other}; compare two of the "
            "same size."
        )
    return height, width


def _bands(
    before: Picture, after: Picture, overlap: int = 0
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Give rows of two pictures in sRGB, in [0, 1], with some that the next ones have, too."""
    height = before.pixels.shape[0]
    for top in range(0, height - overlap, _ROWS):
        rows = slice(top, min(top + _ROWS + overlap, height))
        first, second = to_srgb(before.cut(rows)), to_srgb(after.cut(rows))
        yield rows, first.astype(np.float64), second.astype(np.float64)


def _local_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (H, W, 3) over windows that lie inside: ten fewer rows and columns come out."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = sliding_window_view(values, _WINDOW, axis) @ weights
    return values
