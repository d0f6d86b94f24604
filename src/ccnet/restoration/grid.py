"""Where the tiles of a picture lie, which part each one answers for, and how they fade over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

OVERLAP = 192
MARGIN = 48
"""At both ends of an overlap this many pixels are dropped, for a tile's edge misses what lies
beyond it; over the rest one tile fades into the next."""

SMALLEST_SIDE = 512
"""From here up, no pixel lies in three tiles of one row."""

_STEP = 4  # the network halves twice: tiles start where the halving of the whole picture does


@dataclass(frozen=True, eq=False)
class Span:
    """What a tile has of one side of the picture.

    Attributes:
        start: The first pixel, a multiple of 4.
        stop: The one after the last.
        core: The first pixel and the one after the last that the tile answers for. Cores do not
            overlap, and together they are the whole side.
        weights: (stop - start,) in [0, 1], which together with those of the neighbours give 1.
    """

    start: int
    stop: int
    core: tuple[int, int]
    weights: NDArray[np.float32]


def spans(length: int, side: int) -> list[Span]:
    """Cut a side of `length` pixels into spans of at most `side`, from SMALLEST_SIDE up."""
    padded = math.ceil(length / _STEP) * _STEP
    side = side // _STEP * _STEP
    count = max(1, math.ceil((padded - OVERLAP) / (side - OVERLAP)))
    size = math.ceil((padded + (count - 1) * OVERLAP) / count / _STEP) * _STEP
    gap = (padded - size) / max(1, count - 1)
    starts = [round(index * gap / _STEP) * _STEP for index in range(count)]
    middles = [(first + size + second) // 2 // _STEP * _STEP for first, second in pairwise(starts)]
    edges = [0, *middles, length]
    return [
        Span(
            start,
            min(start + size, length),
            (edges[index], edges[index + 1]),
            _weights(starts, size, index)[: length - start],
        )
        for index, start in enumerate(starts)
    ]


def tiles(height: int, width: int, side: int) -> Iterator[tuple[Span, Span]]:
    """Go through the tiles of a picture from top to bottom: their rows and columns."""
    columns = spans(width, side)
    for rows in spans(height, side):
        for span in columns:
            yield rows, span


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


def _weights(starts: list[int], size: int, index: int) -> NDArray[np.float32]:
    """Fade a tile in over its overlap with the one before and out over that with the next."""
    start = starts[index]
    positions = np.arange(start, start + size, dtype=np.float32) + 0.5
    weights = np.ones(size, np.float32)
    if index > 0:
        weights *= _fade(positions, start, starts[index - 1] + size)
    if index + 1 < len(starts):
        weights *= 1 - _fade(positions, starts[index + 1], start + size)
    return weights


def _fade(positions: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Rise from 0 to 1 as a half wave of a cosine, whose slope does not jump at either end."""
    share = (positions - start - MARGIN) / (stop - start - 2 * MARGIN)
    return (0.5 - 0.5 * np.cos(np.pi * share.clip(0, 1))).astype(np.float32)
