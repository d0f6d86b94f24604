"""What an exported network gives, held against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccnet.errors import ExportError
from ccnet.network import CCNet, PartAverages, SharedAverages
from ccnet.network.padding import fitting_size, pad_to_fit

Floats = NDArray[np.float32]
Inputs = dict[str, NDArray[np.generic]]
Run = Callable[[Inputs], list[Floats]]
"""Gives all outputs for inputs by name."""

TOLERANCE = 1e-4
"""The largest difference, where colours are from 0 to 1: a fortieth of a level of 255."""

HALF_TOLERANCE = 1e-3
"""The same where weights are held in float16: a quarter of a level."""

OF_AVERAGES = 10
"""How many times as much averages may have, in proportion to the largest: their rounding is
enlarged in small pictures."""

CORES = ((0, 0, 2**31 - 1, 2**31 - 1), (8, 4, 36, 2**31 - 1))
"""All of a picture, and a part with the last column that is padded."""

SHAPES = ((1, 3, 11), (1, 9, 200), (2, 37, 150), (1, 160, 131))
"""Samples, height and width: under and over what the network takes, and no multiples of 4.

Pictures of one or three pixels are left out: the variance of so few colours is rounding in places,
which the instance norm enlarges.
"""


def check_export(
    network: CCNet, run: Run, name: str, tolerance: float = TOLERANCE, *, averages: bool
) -> float:
    """Compare an exported network with the one it came from, on noise and on a made picture.

    Args:
        network: The network, in eval mode.
        run: Runs what was exported, in float32.
        name: What to call it in an error.
        tolerance: The largest difference that will do; averages have `OF_AVERAGES` times as much.
        averages: Whether it has them as input and output.

    Returns:
        The largest difference in what is restored, of numbers above 1 in proportion.

    Raises:
        ExportError: That is more than `tolerance`, or averages are farther off than theirs.
    """
    worst = 0.0
    pins = _averages(network, _scenery((1, 128, 160))) if averages else None
    for batch in _batches():
        for inputs, expected in _cases(network, batch, pins):
            given = run(inputs)
            worst = max(worst, _difference(given[0], expected[0]))
            largest = max(map(_difference, given[1:], expected[1:]), default=0)
            if worst > tolerance or largest > OF_AVERAGES * tolerance:
                raise ExportError(
                    f"{name} differs from the network by {worst:.1e}, and by {largest:.1e} in "
                    f"averages, where {tolerance:.0e} and {OF_AVERAGES * tolerance:.0e} would "
                    "do; it was not written."
                )
    return worst


def check_shallow(network: CCNet, run: Run, name: str) -> None:
    """Compare the exported averages of the shallow inputs; raises as `check_export` does."""
    for batch in _batches():
        padded = pad_to_fit(torch.from_numpy(batch), network.smallest)
        for core in CORES:
            averages = PartAverages(core, padded.shape[2])
            with torch.inference_mode():
                network.shallow_half(padded[:, :, ::2, ::2], averages)
                network.shallow_quarter(padded[:, :, ::4, ::4], averages)
            (given,) = run({"pictures": batch, "core": np.array(core)})
            largest = _difference(given, _joined(averages.values))
            if largest > OF_AVERAGES * TOLERANCE:
                raise ExportError(
                    f"{name} differs from the network by {largest:.1e} in the averages of its "
                    f"shallow inputs, where {OF_AVERAGES * TOLERANCE:.0e} would do; it was not "
                    "written."
                )


def _difference(given: Floats, wanted: Floats) -> float:
    """The largest, of numbers above 1 in proportion to the largest of them."""
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return math.inf
    return float(np.abs(given - wanted).max() / max(1.0, float(np.abs(wanted).max())))


def _cases(
    network: CCNet, batch: Floats, pins: Tensor | None
) -> Iterator[tuple[Inputs, list[Floats]]]:
    """Inputs and what should come out: with a batch's own averages, and with others pinned."""
    pictures = torch.from_numpy(batch)
    with torch.inference_mode():
        if pins is None:
            yield {"pictures": batch}, [network(pictures).numpy()]
            return
        given = pins.numpy()[None]
        for core, averages in ((CORES[0], np.full_like(given, np.nan)), (CORES[1], given)):
            height = fitting_size(batch.shape[2], network.smallest)
            parts = PartAverages(core, height, None if averages is not given else pins)
            restored = network(pictures, parts).numpy()
            inputs: Inputs = {"pictures": batch, "averages": averages, "core": np.array(core)}
            yield inputs, [restored, _joined(parts.values)]


def _averages(network: CCNet, batch: Floats) -> Tensor:
    averages = SharedAverages()
    with torch.inference_mode():
        network(torch.from_numpy(batch), averages)
    return torch.cat(averages.values, 1).flatten()


def _joined(averages: list[Tensor]) -> Floats:
    joined: Floats = torch.cat(averages, 1).flatten(1).numpy()
    return joined


def _batches() -> Iterator[Floats]:
    generator = np.random.default_rng(0)
    for shape in SHAPES:
        yield _noise(shape, generator)
        yield _scenery(shape)


def _noise(shape: tuple[int, int, int], generator: np.random.Generator) -> Floats:
    samples, height, width = shape
    brightness = np.linspace(0.3, 1, samples, dtype=np.float32)[:, None, None, None]
    return generator.random((samples, 3, height, width), dtype=np.float32) * brightness


def _scenery(shape: tuple[int, int, int]) -> Floats:
    """Slow changes of colour and a few edges, in other places for each sample."""
    samples, height, width = shape
    sample, colour, y, x = np.ogrid[:samples, :3, :height, :width]
    slow = 0.5 + 0.3 * np.sin(0.05 * x + colour + sample) * np.cos(0.03 * y - sample)
    edges = 0.2 * ((x + 20 * sample) // 32 % 2) - 0.1 * (y // 48 % 2)
    picture: Floats = np.clip(slow + edges, 0, 1).astype(np.float32)
    return picture
