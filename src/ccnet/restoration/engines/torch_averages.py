"""The whole-picture averages of a picture that is only seen in tiles.

CCNet asks for averages in 4 places of its shallow inputs and in 48 of its strips (none where a
variant has no strips), each of features
that depend on the ones before. They are found in three steps:

1. The 4 come before all others and cost little, so they are taken exactly, over all tiles.
2. A few small tiles, spread over the picture and run as if they were one, estimate the others.
3. All tiles are run with the estimates, and the averages are taken over them.

What the third step corrects, a sample alone gets wrong, and a reduced picture more so, for it lacks
the noise and the fine texture of the whole (`benchmarks/tiling.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccnet.network import Average, CCNet
from ccnet.network.padding import fitting_size, pad_to_fit
from ccnet.restoration.grid import Span, sample_corners, tiles

SAMPLE_SIDE = 192
SAMPLES = 16
"""As one batch 0.6 megapixels; with 4 samples the pass over all tiles corrected too little."""

SAMPLE_MARGIN = 24

Run: TypeAlias = "Callable[[NDArray[np.float32], Callable[[], Average]], object]"
"""Runs a network on a batch (N, H, W, 3); asks for a new `Average` should it run it twice."""


class CoreAverages:
    """Averages over a part of a batch of tiles, kept in `values`.

    Args:
        known: Averages to answer with, for as long as they last; then what was measured answers.
        size: Height and width of the tiles as the network pads them.
        core: Rows and columns to average over, beginning and ending at multiples of 4 or at the
            tile's end, where what the network pads is counted in, as it does with whole pictures.
    """

    def __init__(
        self, known: Sequence[Tensor], size: Sequence[int], core: tuple[slice, slice]
    ) -> None:
        self.values: list[Tensor] = []
        self._known = known
        self._padded = size
        self._core = core

    def __call__(self, features: Tensor) -> Tensor:
        step = self._padded[0] // features.shape[2]
        rows, columns = (
            slice(part.start // step, None if part.stop is None else part.stop // step)
            for part in self._core
        )
        average = features[:, :, rows, columns].float().mean((0, 2, 3), keepdim=True)
        index = len(self.values)
        self.values.append(average)
        return self._known[index] if index < len(self._known) else average


class RunningMean:
    """Adds up the tiles' averages in `sums`, each by its share of the picture.

    Kept one by one until the last tile, they would lie between the tiles' large features in memory
    and hold on to it: 24 megapixels took 9 GiB so.
    """

    def __init__(self) -> None:
        self.sums: list[Tensor] = []

    def add(self, values: Sequence[Tensor], share: float) -> None:
        if not self.sums:
            self.sums = [torch.zeros(value.shape, dtype=torch.float64) for value in values]
        for total, value in zip(self.sums, values, strict=True):
            total += value.cpu() * share


def measure_averages(
    network: CCNet,
    picture: NDArray[np.float32],
    side: int,
    run: Run,
    progress: Callable[[float], object] | None = None,
) -> list[Tensor]:
    """Measure the averages of a picture (H, W, 3) in [0, 1], in tiles of at most `side` pixels."""
    shallow = shallow_averages(network, picture, side)
    smallest = network.smallest
    estimated = shallow + sampled_averages(picture, run, shallow, smallest)[len(shallow) :]
    measured = tiled_averages(picture, side, run, estimated, smallest, progress)
    return shallow + measured[len(shallow) :]


def shallow_averages(network: CCNet, picture: NDArray[np.float32], side: int) -> list[Tensor]:
    """Measure mean and variance of both shallow inputs, in the order that the network asks."""
    device = next(network.parameters()).device
    means, squares = RunningMean(), RunningMean()
    for batch, core, share in _tiles(picture, side):
        with torch.inference_mode():
            tile = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)
            tile = pad_to_fit(tile, network.smallest)
            averages = CoreAverages((), tile.shape[2:], core)
            network.shallow_half(tile[:, :, ::2, ::2], averages)
            network.shallow_quarter(tile[:, :, ::4, ::4], averages)
        # A tile's variance is about its own mean, that of the picture about the mean of all.
        values = [value.cpu().double() for value in averages.values]
        means.add(values[::2], share)
        pairs = zip(values[::2], values[1::2], strict=True)
        squares.add([variance + mean.square() for mean, variance in pairs], share)
    result = []
    for mean, square in zip(means.sums, squares.sums, strict=True):
        result += [mean, square - mean.square()]
    return [values.to(device, torch.float32) for values in result]


def sampled_averages(
    picture: NDArray[np.float32], run: Run, known: Sequence[Tensor], smallest: int
) -> list[Tensor]:
    """Estimate the averages that follow the `known` ones from small tiles of native size.

    `smallest` is the network's, here as below.
    """
    height, width, _ = picture.shape
    corners = sample_corners(height, width, SAMPLE_SIDE, SAMPLES)
    batch = np.stack([picture[y : y + SAMPLE_SIDE, x : x + SAMPLE_SIDE] for y, x in corners])
    inner = slice(SAMPLE_MARGIN, SAMPLE_SIDE - SAMPLE_MARGIN)
    rows, columns = (inner if side == SAMPLE_SIDE else slice(0, None) for side in batch.shape[1:3])
    return _run_for_averages(run, batch, known, (rows, columns), smallest)


def tiled_averages(
    picture: NDArray[np.float32],
    side: int,
    run: Run,
    known: Sequence[Tensor],
    smallest: int,
    progress: Callable[[float], object] | None = None,
) -> list[Tensor]:
    """Take the averages over all tiles, each of which is run with the `known` ones."""
    mean, done = RunningMean(), 0.0
    for batch, core, share in _tiles(picture, side):
        mean.add(_run_for_averages(run, batch, known, core, smallest), share)
        done += share
        if progress:
            progress(min(1.0, done))
    return [values.float() for values in mean.sums]


def _tiles(
    picture: NDArray[np.float32], side: int
) -> Iterator[tuple[NDArray[np.float32], tuple[slice, slice], float]]:
    """Cut a picture into tiles: each as a batch, the core in it, and the core's share of pixels."""
    height, width, _ = picture.shape
    for rows, columns in tiles(height, width, side):
        tile = picture[None, rows.start : rows.stop, columns.start : columns.stop]
        share = math.prod(span.core[1] - span.core[0] for span in (rows, columns)) / (
            height * width
        )
        core = (_core(rows, height), _core(columns, width))
        yield np.ascontiguousarray(tile), core, share


def _core(span: Span, length: int) -> slice:
    first, last = span.core
    return slice(first - span.start, None if last == length else last - span.start)


def _run_for_averages(
    run: Run,
    batch: NDArray[np.float32],
    known: Sequence[Tensor],
    core: tuple[slice, slice],
    smallest: int,
) -> list[Tensor]:
    runs: list[CoreAverages] = []
    padded = [fitting_size(length, smallest) for length in batch.shape[1:3]]

    def average() -> Average:
        runs.append(CoreAverages(known, padded, core))
        return runs[-1]

    run(batch, average)
    return runs[-1].values
