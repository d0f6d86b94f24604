"""What is measured in each cell of 16 x 16 pixels before anything learned looks at it.

Haze lifts what is dark and takes contrast; motion takes fine contrast along its direction and
leaves coarse contrast; snow puts bright, colourless spots in and no dark ones. Measured outright,
these need far fewer pictures to learn from than raw pixels do.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

CELL = 16
"""Pixels across and down; pictures must be multiples of it."""

LEVELS = 4
"""Each half as large as the one before: contrasts of 1 to 8 pixels."""

SPOT = 5
"""Pixels that bright and dark spots are narrower than, at all levels but the last."""

CHANNELS = 8 * LEVELS + 4 * (LEVELS - 1) + 6
"""Measurements in each cell."""

_FAINTEST = np.float32(1 / 255)


def measure_cells(pictures: Floats) -> Floats:
    """Measure pictures (N, 3, H, W) in [0, 1]: (N, CHANNELS, H / 16, W / 16)."""
    luminance = pictures.mean(1)
    darkest = pictures.min(1)
    brightest = pictures.max(1)
    measured = [*_contrasts(luminance), *_spots(luminance, darkest)]
    colours = [
        *(_mean(pictures[:, colour], CELL) for colour in range(3)),
        _pool(np.minimum, darkest, CELL),
        _pool(np.maximum, brightest, CELL),
        _mean(brightest - darkest, CELL),
    ]
    return np.concatenate(
        (np.log(np.maximum(np.stack(measured, 1), _FAINTEST)), np.stack(colours, 1)), 1
    )


def turned(mirrored: bool, transposed: bool) -> list[int]:
    """List where a turned picture finds each measurement: only directions change places."""
    across, down, falling, rising = range(4)
    if transposed:
        across, down = down, across
    if mirrored:
        falling, rising = rising, falling
    places = [
        4 * group + one for group in range(2 * LEVELS) for one in (across, down, falling, rising)
    ]
    return [*places, *range(8 * LEVELS, CHANNELS)]


def _contrasts(luminance: Floats) -> list[Floats]:
    """Differences of neighbours in four directions at each level: their means and maxima."""
    contrasts = []
    for level in range(LEVELS):
        padded = np.pad(luminance, ((0, 0), (0, 1), (1, 1)), "edge")
        here = padded[:, :-1, 1:-1]
        neighbours = (
            padded[:, :-1, 2:],
            padded[:, 1:, 1:-1],
            padded[:, 1:, 2:],
            padded[:, 1:, :-2],
        )
        contrasts += _mean_and_largest([np.abs(there - here) for there in neighbours], level)
        luminance = _mean(luminance, 2)
    return contrasts


def _spots(luminance: Floats, darkest: Floats) -> list[Floats]:
    """How far narrow bright spots without colour, and narrow dark ones, stand out (top-hats)."""
    spots = []
    values = np.stack((darkest, -luminance), 1)
    for level in range(LEVELS - 1):
        opened = _around(np.maximum, _around(np.minimum, values, np.inf), -np.inf)
        spots += _mean_and_largest((values - opened).swapaxes(0, 1), level)
        values = _mean(values, 2)
    return spots


def _mean_and_largest(maps: list[Floats] | Floats, level: int) -> list[Floats]:
    """Pool maps (N, H, W) of a level to cells: all their means, then all their maxima."""
    side = CELL >> level
    means = [_mean(values, side) for values in maps]
    return [*means, *(_pool(np.maximum, values, side) for values in maps)]


def _mean(values: Floats, side: int) -> Floats:
    mean: Floats = _pool(np.add, values, side) / np.float32(side * side)
    return mean


def _pool(operation: np.ufunc, values: Floats, side: int) -> Floats:
    """Reduce each square of `side` pixels of (..., H, W); rows first, which go fast."""
    *before, height, width = values.shape
    rows = operation.reduce(values.reshape(*before, height // side, side, width), -2)
    pooled: Floats = operation.reduce(rows.reshape(*rows.shape[:-1], width // side, side), -1)
    return pooled


def _around(operation: np.ufunc, values: Floats, beyond: float) -> Floats:
    """Reduce the square of `SPOT` pixels around each, row by row and then column by column."""
    margin = SPOT // 2
    for axis in (-1, -2):
        widths = [(0, 0)] * values.ndim
        widths[axis] = (margin, margin)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(values, widths, constant_values=beyond), SPOT, axis
        )
        values = windows[..., 0]
        for place in range(1, SPOT):
            values = operation(values, windows[..., place])
    return values
