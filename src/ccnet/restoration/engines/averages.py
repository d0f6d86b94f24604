"""The whole-picture averages of a picture that is only seen in tiles, with any engine.

CCNet asks for averages in 4 places of its shallow inputs and in 48 of its strips (none where a
variant has no strips), each of features that depend on the ones before. They are found in three
steps:

1. The 4 come before all others and cost little, so they are taken exactly, over all tiles.
2. A few small tiles, spread over the picture and run as if they were one, estimate the others.
3. All tiles are run with the estimates, and the averages are taken over them. Of a picture larger
   than `SPREAD` tiles, only so many are, spread over it.

What the third step corrects, the small tiles alone get wrong, and a reduced picture more so, for it
lacks the noise and the fine texture of the whole (`benchmarks/tiling.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccnet.restoration.engines.engine import Averages, Floats, MemoryRanOut, Pixels
from ccnet.restoration.grid import MEASURING_OVERLAP, Span, sample_corners, spans

SAMPLE_SIDE = 192
SAMPLES = 16
"""As one batch 0.6 megapixels; with 4 samples the pass over all tiles corrected too little."""

SAMPLE_MARGIN = 24

SPREAD = 16
SPREAD_SIDE = 512
"""Squares that are measured of a large picture: 4.2 megapixels."""

END = 2**31 - 1

Core: TypeAlias = tuple[int, int, int, int]
"""What part of a tile to average over: its first row and column, and those after its last. They are
multiples of 4, or END: to the tile's end, where what the network pads is counted in, as it does
with whole pictures."""

WHOLE: Core = (0, 0, END, END)

MeasureShallow: TypeAlias = "Callable[[Floats, Core], Floats]"
"""Gives mean and variance of both shallow inputs, (S,), over the cores of (N, H, W, 3)."""

Measure: TypeAlias = "Callable[[Floats, Averages, Core], Averages]"
"""Gives all averages, (A,), over the cores of (N, H, W, 3), when the first of them are given for
the network to use, (K,), and it takes those it measures for the rest."""


def measure_averages(
    picture: Pixels,
    side: int,
    measure_shallow: MeasureShallow,
    measure: Measure,
    progress: Callable[[float], object] | None = None,
) -> Averages:
    """Measure the averages of a picture (H, W, 3) in [0, 1], in tiles of at most `side` pixels."""
    shallow = shallow_averages(picture, side, measure_shallow)
    sampled = None
    with suppress(MemoryRanOut):
        sampled = sampled_averages(picture, shallow, measure, SAMPLES)
    # Not in an except clause, where the error holds on to all that did not fit.
    if sampled is None:  # fewer hold less than the smallest tile
        sampled = sampled_averages(picture, shallow, measure, SAMPLES // 4)
    estimated = _continued(shallow, sampled)
    return _continued(shallow, tiled_averages(picture, side, estimated, measure, progress))


def shallow_averages(picture: Pixels, side: int, measure: MeasureShallow) -> Floats:
    """Measure mean and variance of both shallow inputs over all tiles, (S,)."""
    means = squares = np.float64(0)
    for tile, core, share in _tiles(picture, side):
        mean, variance = _moments(measure(tile, core).astype(np.float64))
        means = means + share * mean
        # A tile's variance is about its own mean, that of the picture about the mean of all.
        squares = squares + share * (variance + mean**2)
    return _moments_joined(means, squares - means**2)


def sampled_averages(picture: Pixels, shallow: Floats, measure: Measure, count: int) -> Averages:
    """Estimate all averages from at most `count` small tiles of native size."""
    height, width, _ = picture.shape
    corners = sample_corners(height, width, SAMPLE_SIDE, count)
    batch = np.stack([picture[y : y + SAMPLE_SIDE, x : x + SAMPLE_SIDE] for y, x in corners])
    (top, bottom), (left, right) = (
        (SAMPLE_MARGIN, SAMPLE_SIDE - SAMPLE_MARGIN) if side == SAMPLE_SIDE else (0, END)
        for side in batch.shape[1:3]
    )
    return measure(batch, shallow, (top, left, bottom, right))


def tiled_averages(
    picture: Pixels,
    side: int,
    given: Averages,
    measure: Measure,
    progress: Callable[[float], object] | None = None,
) -> Averages:
    """Take the averages over tiles, each of which is run with the `given` ones."""
    height, width, _ = picture.shape
    tiles = _tiles(picture, side) if measured_share(height, width) == 1 else _spread_tiles(picture)
    # Summed at once, for small arrays kept between large ones keep these from being freed.
    averages = np.zeros(given.shape)
    done = 0.0
    for tile, core, share in tiles:
        averages += share * measure(tile, given, core)
        done += share
        if progress:
            progress(min(1.0, done))
    return averages.astype(np.float32)


def measured_share(height: int, width: int) -> float:
    """Tell how much of a picture's pixels `tiled_averages` looks at."""
    return min(1.0, SPREAD * SPREAD_SIDE**2 / (height * width))


def _continued(first: Averages, averages: Averages) -> Averages:
    return np.concatenate((first, averages[len(first) :]))


def _moments(shallow: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Part (2C means, 2C variances, 4C means, 4C variances) into means and variances, 6C each."""
    unit = len(shallow) // 6
    parts = np.split(shallow, [unit, 2 * unit, 4 * unit])
    return np.concatenate(parts[::2]), np.concatenate(parts[1::2])


def _moments_joined(means: NDArray[np.float64], variances: NDArray[np.float64]) -> Floats:
    unit = len(means) // 3
    parts = (means[:unit], variances[:unit], means[unit:], variances[unit:])
    return np.concatenate(parts).astype(np.float32)


def _tiles(picture: Pixels, side: int) -> Iterator[tuple[Floats, Core, float]]:
    """Cut a picture into tiles: each as a batch, the core in it, and the core's share of pixels."""
    height, width, _ = picture.shape
    both = (spans(length, side, MEASURING_OVERLAP) for length in (height, width))
    for rows, columns in product(*both):
        tile = picture[rows.start : rows.stop, columns.start : columns.stop][None]
        sides = [span.core[1] - span.core[0] for span in (rows, columns)]
        (top, bottom), (left, right) = _core(rows, height), _core(columns, width)
        yield tile, (top, left, bottom, right), math.prod(sides) / (height * width)


def _spread_tiles(picture: Pixels) -> Iterator[tuple[Floats, Core, float]]:
    """Cut squares spread over a picture, as `_tiles` does, each for an equal share of it."""
    height, width, _ = picture.shape
    corners = sample_corners(height, width, SPREAD_SIDE, SPREAD)
    for top, left in corners:
        tile = picture[top : top + SPREAD_SIDE, left : left + SPREAD_SIDE][None]
        (first, last), (start, stop) = _inner(top, height), _inner(left, width)
        yield tile, (first, start, last, stop), 1 / len(corners)


def _inner(start: int, length: int) -> tuple[int, int]:
    """What a square's edges do not miss anything of: all of it at the picture's own."""
    margin = MEASURING_OVERLAP // 2
    ends = start + SPREAD_SIDE >= length
    return margin if start else 0, END if ends else SPREAD_SIDE - margin


def _core(span: Span, length: int) -> tuple[int, int]:
    first, last = span.core
    return first - span.start, END if last == length else last - span.start
