"""Keeping restored frames from flickering.

A network that sees each frame by itself restores the same wall a little brighter here and a little
darker there from frame to frame, as noise, the camera and whatever passes by move what it goes by.
So what it changes is smoothed along a shot: not the pixels, which would smear, but the averages of
that change over coarse cells, and only where the source itself stays as it was. Nothing is tracked.
`benchmarks/flicker.py` measures it against frames restored one by one, and against smoothing the
network's averages instead.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

CELLS = 15
"""Cells along the short side of a frame."""

LASTING = 0.5
"""Seconds after which a lasting change has taken hold to 63%, where the source does not move."""

MOVED = 12 / 255
"""A cell of the source whose average moves so far from one frame to the next is not smoothed."""

CUT = 0.55
"""Another shot begins where cells move so far on average, in parts of how far they lie from each
other in a frame. Pans by a tenth of the height a frame came to 0.4, cuts from 0.7 up."""

_NOISE = 0.01
"""What moves less on average is no cut, in however even a frame."""


class Steady:
    """Smooths the change that restoring makes to a clip's frames, given one after another."""

    def __init__(self) -> None:
        self._before: Floats | None = None
        self._smoothed: Floats
        self._time = 0.0

    def __call__(self, before: Floats, change: Floats, time: float) -> Floats:
        """Steady what restoring adds to a frame.

        Args:
            before: The frame, (H, W, 3) in [0, 1].
            change: The restored frame less `before`.
            time: When the frame is shown, in seconds.

        Returns:
            A new change.
        """
        now, wanted = cell_averages(before), cell_averages(change)
        if self._before is None or is_cut(self._before, now):
            self._smoothed = wanted
        else:
            farthest = np.abs(now - self._before).max(axis=2, keepdims=True)
            still = 1 - farthest.clip(0, MOVED) / np.float32(MOVED)
            kept = math.exp(-max(0.0, time - self._time) / LASTING) * still
            self._smoothed = wanted + kept * (self._smoothed - wanted)
        self._before, self._time = now, time
        steadied: Floats = change + _spread(self._smoothed - wanted, change.shape)
        return steadied


def is_cut(one: Floats, other: Floats) -> bool:
    """Whether two frames, of which these are the cells, belong to different shots."""
    if one.shape != other.shape:
        return True
    spread = (one.std((0, 1)) + other.std((0, 1))).mean() / 2
    return bool(np.abs(one - other).mean() > max(_NOISE, CUT * spread))


def cell_averages(picture: Floats) -> Floats:
    """Average (H, W, 3) over cells: (rows, columns, 3)."""
    height, width, _ = picture.shape
    rows, columns = _cells(height, width)
    lines = np.tensordot(_averaging(height, rows), picture, 1)
    averages: Floats = np.matmul(_averaging(width, columns), lines)
    return averages


def _spread(cells: Floats, shape: tuple[int, ...]) -> Floats:
    """Enlarge (rows, columns, 3) to a frame's shape, linearly between the cells' middles."""
    height, width, _ = shape
    rows, columns, _ = cells.shape
    lines = np.tensordot(_hats(height, rows), cells, 1)
    enlarged: Floats = np.matmul(_hats(width, columns), lines)
    return enlarged


def _cells(height: int, width: int) -> tuple[int, int]:
    side = max(1.0, min(height, width) / CELLS)
    return max(1, round(height / side)), max(1, round(width / side))


@lru_cache(maxsize=4)
def _averaging(length: int, count: int) -> Floats:
    """(count, length): each of `count` equal parts of a side has weights that sum to 1."""
    edges = np.linspace(0, length, count + 1)[:, None]
    before = np.clip(edges - np.arange(length), 0, 1)  # how much of each pixel lies before an edge
    shares: Floats = (np.diff(before, axis=0) * count / length).astype(np.float32)
    return shares


@lru_cache(maxsize=4)
def _hats(length: int, count: int) -> Floats:
    """(length, count): how much of each part each pixel takes; its row sums to 1."""
    places = (np.arange(length) + 0.5) * count / length - 0.5
    distances = np.abs(places.clip(0, count - 1)[:, None] - np.arange(count))
    hats: Floats = np.maximum(1 - distances, 0).astype(np.float32)
    return hats
