"""What an exported network gives, held against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccnet.errors import ExportError
from ccnet.network import CCNet, PinnedAverages, picture_average

Floats = NDArray[np.float32]
Run = Callable[[dict[str, Floats]], list[Floats]]
"""Gives all outputs for inputs by name."""

TOLERANCE = 1e-4
"""The largest difference, where colours are from 0 to 1: a fortieth of a level of 255."""

AVERAGES_TOLERANCE = 1e-3
"""That of averages, in proportion to the largest: their rounding is enlarged in small pictures."""

SHAPES = ((1, 1, 3), (1, 9, 200), (2, 37, 150), (1, 160, 131))
"""Samples, height and width: under and over what the network takes, and no multiples of 4.

A single pixel is left out: the variance of one colour is rounding, which the instance norm
enlarges.
"""


def check_export(network: CCNet, run: Run, name: str, *, averages: bool) -> float:
    """Compare an exported network with the one it came from, on noise and on a made picture.

    Args:
        network: The network, in eval mode.
        run: Runs what was exported, in float32.
        name: What to call it in an error.
        averages: Whether it has them as input and output.

    Returns:
        The largest difference in what is restored, of numbers above 1 in proportion.

    Raises:
        ExportError: That is more than `TOLERANCE`, or averages are farther off than theirs.
    """
    worst = 0.0
    generator = np.random.default_rng(0)
    pins = _averages(network, _scenery((1, 128, 160))) if averages else None
    for shape in SHAPES:
        for batch in (_noise(shape, generator), _scenery(shape)):
            for inputs, expected in _cases(network, batch, pins):
                given = run(inputs)
                worst = max(worst, _difference(given[0], expected[0]))
                largest = max(map(_difference, given[1:], expected[1:]), default=0)
                if worst > TOLERANCE or largest > AVERAGES_TOLERANCE:
                    raise ExportError(
                        f"{name} differs from the network by {worst:.1e}, and by {largest:.1e} in "
                        f"averages, where {TOLERANCE:.0e} and {AVERAGES_TOLERANCE:.0e} would do; "
                        "it was not written."
                    )
    return worst


def _difference(given: Floats, wanted: Floats) -> float:
    """The largest, of numbers above 1 in proportion to the largest of them."""
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return math.inf
    return float(np.abs(given - wanted).max() / max(1.0, float(np.abs(wanted).max())))


def _cases(
    network: CCNet, batch: Floats, pins: list[Tensor] | None
) -> Iterator[tuple[dict[str, Floats], list[Floats]]]:
    """Inputs and what should come out: with a batch's own averages, and with others pinned."""
    pictures = torch.from_numpy(batch)
    with torch.inference_mode():
        if pins is None:
            yield {"pictures": batch}, [network(pictures).numpy()]
            return
        given = _joined(pins)
        for values, answers in ((np.full_like(given, np.nan), None), (given, PinnedAverages(pins))):
            measuring = _Measuring(answers)
            restored = network(pictures, measuring).numpy()
            yield {"pictures": batch, "averages": values}, [restored, _joined(measuring.own)]


class _Measuring:
    """Keeps each sample's own averages, and answers with them or with others."""

    def __init__(self, answers: PinnedAverages | None) -> None:
        self.own: list[Tensor] = []
        self._answers = answers

    def __call__(self, features: Tensor) -> Tensor:
        self.own.append(picture_average(features))
        return self._answers(features) if self._answers else self.own[-1]


def _averages(network: CCNet, batch: Floats) -> list[Tensor]:
    measuring = _Measuring(None)
    with torch.inference_mode():
        network(torch.from_numpy(batch), measuring)
    return measuring.own


def _joined(averages: list[Tensor]) -> Floats:
    joined: Floats = torch.cat(averages, 1).flatten(1).numpy()
    return joined


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
