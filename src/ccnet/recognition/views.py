"""What the recogniser sees of a picture of any size: all of it reduced, and eight details."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccnet.images import Picture, to_srgb

OVERVIEW = 192
"""Pixels across and down of the whole picture, reduced or enlarged, its proportions given up."""

DETAIL = 128
"""Pixels across and down of a detail."""

GRID = (2, 4)
"""Details along the short and along the long side."""

LARGEST = 1_200_000
"""Pixels of the picture that details are cut from. Larger pictures are reduced to so many: seen
pixel by pixel, a photograph of 24 megapixels is soft, and blur that spoils it is too long for a
detail."""

SAMPLED = 512
"""Rows and columns of a large picture, or of a large detail, that are looked at, at least."""

_PART = 16
"""Lines of a reduced picture that are computed at once."""

Pixels: TypeAlias = NDArray[np.float32]

Cut: TypeAlias = Callable[[slice, slice], Pixels]
"""Gives rows and columns of a picture as (H, W, 3) in [0, 1]."""


class Views(NamedTuple):
    """`overview` (3, 192, 192) and `details` (8, 3, 128, 128), float32 in [0, 1]."""

    overview: Pixels
    details: Pixels


def views_of_picture(picture: Picture) -> Views:
    """Look at a decoded file in sRGB; its alpha does not count."""

    def cut(rows: slice, columns: slice) -> Pixels:
        return to_srgb(picture.cut(rows, columns))

    height, width = picture.pixels.shape[:2]
    return views_of(cut, height, width)


def picture_of(pixels: Pixels) -> Picture:
    """Round (3, H, W) in [0, 1] to a picture of 8 bits, as a file would hold it."""
    return Picture(np.rint(pixels.transpose(1, 2, 0) * 255).astype(np.uint8, order="C"))


def views_of(cut: Cut, height: int, width: int) -> Views:
    """Look at a picture of `height` x `width` pixels; the work is bounded whatever its size."""
    side = round(DETAIL * max(1.0, math.sqrt(height * width / LARGEST)))
    down, across = GRID if height <= width else GRID[::-1]
    step = max(1, side // SAMPLED)
    details = [
        resize(filled(cut(rows, columns), -(-side // step)), DETAIL)
        for rows in spread_windows(height, side, down, step)
        for columns in spread_windows(width, side, across, step)
    ]
    every_row = slice(0, height, max(1, height // SAMPLED))
    every_column = slice(0, width, max(1, width // SAMPLED))
    return Views(resize(cut(every_row, every_column), OVERVIEW), np.stack(details))


def spread_windows(length: int, side: int, count: int, step: int = 1) -> list[slice]:
    """Spread `count` windows of `side` pixels, or all that there are, evenly over a length.

    Each takes every `step`-th pixel.
    """
    side = min(side, length)
    middles = ((index + 0.5) / count * length for index in range(count))
    starts = (min(max(round(middle - side / 2), 0), length - side) for middle in middles)
    return [slice(start, start + side, step) for start in starts]


def filled(pixels: Pixels, side: int) -> Pixels:
    """Mirror what is smaller than a square of `side` pixels, as often as it takes."""
    height, width, _ = pixels.shape
    return np.pad(pixels, ((0, side - height), (0, side - width), (0, 0)), "symmetric")


def resize(pixels: Pixels, side: int) -> Pixels:
    """Reduce or enlarge (H, W, 3) in [0, 1] to (3, side, side), without aliases."""
    height, width, colours = pixels.shape
    rows = _weighted(pixels.reshape(height, -1), side).reshape(side, width, colours)
    columns = _weighted(rows.transpose(1, 2, 0).reshape(width, -1), side)
    resized: Pixels = columns.reshape(side, colours, side).transpose(1, 2, 0).clip(0, 1)
    return resized


def _weighted(lines: Pixels, count: int) -> Pixels:
    """Reduce or enlarge (L, N) to (count, N)."""
    return np.concatenate([part @ lines[used] for used, part in _weights(len(lines), count)])


@lru_cache(maxsize=8)
def _weights(length: int, count: int) -> list[tuple[slice, Pixels]]:
    """How much of each of `length` lines is in each of `count`: triangles as wide as it takes.

    In parts, each with the lines that it takes anything of, since of most it takes nothing.
    """
    scale = length / count
    middles = (np.arange(count) + 0.5) * scale
    distances = np.abs(np.arange(length) + 0.5 - middles[:, None]) / max(scale, 1.0)
    triangles = np.maximum(1 - distances, 0)
    weights = (triangles / triangles.sum(1, keepdims=True)).astype(np.float32)
    parts = []
    for part in np.split(weights, range(_PART, count, _PART)):
        used = part.any(0).nonzero()[0]
        lines = slice(used[0], used[-1] + 1)
        parts.append((lines, np.ascontiguousarray(part[:, lines])))
    return parts
