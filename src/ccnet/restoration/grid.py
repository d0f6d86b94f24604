"""Where the tiles of a picture lie, which part each one answers for, and how they fade over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

OVERLAP = 192
MARGIN = 48
"""At both ends of an overlap this many pixels are dropped, for a tile's edge misses what lies
beyond it; over the rest one tile fades into the next."""

MEASURING_OVERLAP = 48
"""Enough where tiles are only measured: an average over all hardly sees what their edges miss."""

SMALLEST_SIDE = 512
"""From here up, no pixel lies in three tiles of one row."""

_STEP = 4  # the network halves twice: tiles start where the halving of the whole picture does


@dataclass(frozen=True)
class Span:
    """What a tile has of one side of the picture.

    Attributes:
        start: The first pixel, a multiple of 4.
        stop: The one after the last.
        core: The first pixel and the one after the last that the tile answers for. Cores do not
            overlap, and together they are the whole side.
    """

    start: int
    stop: int
    core: tuple[int, int]


def spans(length: int, side: int, overlap: int = OVERLAP) -> list[Span]:
    """Cut a side of `length` pixels into spans of at most `side`, from SMALLEST_SIDE up."""
    padded = math.ceil(length / _STEP) * _STEP
    side = side // _STEP * _STEP
    count = max(1, math.ceil((padded - overlap) / (side - overlap)))
    size = math.ceil((padded + (count - 1) * overlap) / count / _STEP) * _STEP
    gap = (padded - size) / max(1, count - 1)
    starts = [round(index * gap / _STEP) * _STEP for index in range(count)]
    middles = [(first + size + second) // 2 // _STEP * _STEP for first, second in pairwise(starts)]
    edges = [0, *middles, length]
    return [
        Span(start, min(start + size, length), core)
        for start, core in zip(starts, pairwise(edges), strict=True)
    ]


def fades(parts: list[Span]) -> list[NDArray[np.float32]]:
    """Weigh each span's pixels, (stop - start,) in [0, 1]: over all spans they add up to 1."""
    weights = []
    for before, span, after in zip([None, *parts], parts, [*parts[1:], None], strict=False):
        positions = np.arange(span.start, span.stop, dtype=np.float32) + 0.5
        rise = _fade(positions, span.start, before.stop) if before else np.float32(1)
        fall = _fade(positions, after.start, span.stop) if after else np.float32(0)
        weights.append(rise * (1 - fall) * np.ones_like(positions))
    return weights


def sample_corners(height: int, width: int, side: int, count: int) -> list[tuple[int, int]]:
    """Spread at most `count` squares evenly over a picture: their top and left pixels.

    Where the picture is narrower than `side`, what lies within it counts as a square.
    """
    most_rows, most_columns = max(1, height // side), max(1, width // side)
    rows = min(max(1, round(math.sqrt(count * height / width))), count, most_rows)
    columns = min(count // rows, most_columns)
    rows = min(count // columns, most_rows)
    return [
        (top, left) for top in _spread(height, side, rows) for left in _spread(width, side, columns)
    ]


def _spread(length: int, side: int, count: int) -> list[int]:
    """Centre `count` spans of `side` pixels in equal parts of a side of the picture."""
    last = max(0, length - side)
    centres = ((index + 0.5) * length / count for index in range(count))
    return [min(max(0, int(centre - side / 2)), last) // _STEP * _STEP for centre in centres]


def _fade(positions: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Rise from 0 to 1 as a half wave of a cosine, whose slope does not jump at either end."""
    share = (positions - start - MARGIN) / (stop - start - 2 * MARGIN)
    return (0.5 - 0.5 * np.cos(np.pi * share.clip(0, 1))).astype(np.float32)
