"""The trained networks that tell haze, motion blur and snow from a clear picture, without torch.

`ccnet.training.recognition_network` has the same for training, and says why it is made so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ccnet.recognition.cells import CHANNELS, Floats, measure_cells
from ccnet.recognition.kinds import KINDS
from ccnet.recognition.spectrum import MEASURED, measure_spectrum
from ccnet.recognition.views import Views

WIDTH = 48

BRANCHES = {"overview": (CHANNELS, 48), "details": (CHANNELS, 48), "spectrum": (MEASURED, 24)}
"""How many numbers each part of what is `Measured` has in a place, and how many features are made
of them."""

SUMMARIES = 4
"""What a branch tells of each feature."""

SUMMARISED = SUMMARIES * sum(width for _, width in BRANCHES.values())

_NORMS = {f"{name}.layers.0": count for name, (count, _) in BRANCHES.items()} | {
    "head.0": SUMMARISED
}

_LAYERS = (
    {f"{name}.layers.1": (width, count, 1) for name, (count, width) in BRANCHES.items()}
    | {f"{name}.layers.3": (width, width, 1) for name, (_, width) in BRANCHES.items()}
    | {"head.2": (WIDTH, SUMMARISED), "head.5": (len(KINDS), WIDTH)}
)

SHAPES: dict[str, tuple[int, ...]] = {
    f"{name}.{part}": (length,)
    for name, length in _NORMS.items()
    for part in ("weight", "bias", "running_mean", "running_var")
} | {
    f"{name}.{part}": shape if part == "weight" else shape[:1]
    for name, shape in _LAYERS.items()
    for part in ("weight", "bias")
}
"""Of the weights that are used, by their names."""

Weights = Mapping[str, Floats]


class Measured(NamedTuple):
    """What is measured of a picture: numbers in places, whose order tells nothing.

    Attributes:
        overview: Of the overview's cells, (CHANNELS, 144).
        details: Of the cells of all details, (CHANNELS, 512).
        spectrum: Of the directions in the details' spectrum, (MEASURED, DIRECTIONS).
    """

    overview: Floats
    details: Floats
    spectrum: Floats


def measure(views: Views) -> Measured:
    """Measure a picture's views."""
    overview = measure_cells(views.overview[None])[0].reshape(CHANNELS, -1)
    details = measure_cells(views.details).swapaxes(0, 1).reshape(CHANNELS, -1)
    return Measured(overview, details, measure_spectrum(views.details))


def classify(networks: Sequence[Weights], measured: Measured) -> Floats:
    """Give the probabilities of `KINDS`: those of the mean of all networks' logits."""
    logits = np.mean([_logits(weights, measured) for weights in networks], 0)
    raised = np.exp(logits - logits.max())
    probabilities: Floats = raised / raised.sum()
    return probabilities


def _logits(weights: Weights, measured: Measured) -> Floats:
    parts = zip(BRANCHES, measured, strict=True)
    summary = np.concatenate([_branch(weights, name, part) for name, part in parts])
    hidden = np.maximum(_layer(weights, "head.2", _normed(weights, "head.0", summary)), 0)
    return _layer(weights, "head.5", hidden)


def _branch(weights: Weights, name: str, places: Floats) -> Floats:
    """Give what places (C, K) hold altogether: mean, deviation, lowest and highest tenth."""
    normed = _normed(weights, f"{name}.layers.0", places.T)
    hidden = np.maximum(_layer(weights, f"{name}.layers.1", normed), 0)
    features = np.sort(_layer(weights, f"{name}.layers.3", hidden), 0)
    deviation = np.sqrt(features.var(0) + np.float32(1e-5))
    tenth = max(1, len(features) // 10)
    extremes = features[:tenth].mean(0), features[-tenth:].mean(0)
    return np.concatenate((features.mean(0), deviation, *extremes))


def _layer(weights: Weights, name: str, values: Floats) -> Floats:
    matrix = weights[f"{name}.weight"]
    mapped: Floats = values @ matrix.reshape(matrix.shape[:2]).T + weights[f"{name}.bias"]
    return mapped


def _normed(weights: Weights, name: str, values: Floats) -> Floats:
    """Apply a batch norm with the statistics of training."""
    deviation = np.sqrt(weights[f"{name}.running_var"] + np.float32(1e-5))
    normed = (values - weights[f"{name}.running_mean"]) / deviation
    scaled: Floats = normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return scaled
