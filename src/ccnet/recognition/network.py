"""The trained networks that tell haze, motion blur and snow from a clear picture, without torch.

`ccnet.training.recognition_network` has the same for training, and says why it is made so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ccnet.recognition.cells import CHANNELS, Floats, measure_cells
from ccnet.recognition.kinds import KINDS
from ccnet.recognition.views import Views

NETWORKS = 2
"""Trained each from its own beginning: together they are right a little more often."""

WIDTH = 48

_NORMS = {"overview.layers.0": CHANNELS, "detail.layers.0": CHANNELS, "head.0": 8 * WIDTH}

_LAYERS = {
    "overview.layers.1": (WIDTH, CHANNELS, 1),
    "overview.layers.3": (WIDTH, WIDTH, 1),
    "detail.layers.1": (WIDTH, CHANNELS, 1),
    "detail.layers.3": (WIDTH, WIDTH, 1),
    "head.2": (WIDTH, 8 * WIDTH),
    "head.5": (len(KINDS), WIDTH),
}

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


def cells_of(views: Views) -> tuple[Floats, Floats]:
    """Measure both views: the overview's cells and those of all details, (CHANNELS, K) each."""
    overview = measure_cells(views.overview[None])[0].reshape(CHANNELS, -1)
    details = measure_cells(views.details).swapaxes(0, 1).reshape(CHANNELS, -1)
    return overview, details


def classify(networks: Sequence[Weights], overview: Floats, details: Floats) -> Floats:
    """Give the probabilities of `KINDS` for cells as `cells_of` measures them.

    They are those of the mean of all networks' logits.
    """
    logits = np.mean([_logits(weights, overview, details) for weights in networks], 0)
    raised = np.exp(logits - logits.max())
    probabilities: Floats = raised / raised.sum()
    return probabilities


def _logits(weights: Weights, overview: Floats, details: Floats) -> Floats:
    both = np.concatenate(
        (_branch(weights, "overview", overview), _branch(weights, "detail", details))
    )
    hidden = np.maximum(_layer(weights, "head.2", _normed(weights, "head.0", both)), 0)
    return _layer(weights, "head.5", hidden)


def _branch(weights: Weights, name: str, cells: Floats) -> Floats:
    """Give what cells (CHANNELS, K) hold altogether: mean, deviation, lowest, highest tenth."""
    normed = _normed(weights, f"{name}.layers.0", cells.T)
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
