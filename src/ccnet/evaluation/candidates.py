"""What can be measured: models, classical baselines, and networks from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import WeightsError, reason_of
from ccnet.evaluation.classical import deconvolve, filter_median, sharpen
from ccnet.evaluation.cost import count_macs, count_parameters
from ccnet.evaluation.dark_channel import remove_haze
from ccnet.evaluation.foreign import holds_torchscript, load_onnx, load_torchscript
from ccnet.restoration import Restorer
from ccnet.weights.hub import sha256
from ccnet.weights.registry import find_weights, load_network

Pixels: TypeAlias = NDArray[np.float32]
"""A picture (H, W, 3) in [0, 1]."""

Restore: TypeAlias = Callable[[Pixels, Callable[[float], object]], Pixels]
"""Restores a picture, and calls its second argument with the share done after each tile."""

RUNNABLE = (".pt", ".ts", ".torchscript")
"""What a TorchScript file must be called to be run."""


@dataclass(frozen=True)
class Candidate:
    """Something to measure.

    Attributes:
        name: How it is called in reports.
        restore: What it does with a picture.
        parameters: How many numbers it has learnt, or None where that is not known.
        macs: Multiplications with addition for 256x256 pixels, or None where that is not known.
        file: Where its weights are, or None.
        sha256: The checksum of that file when it was loaded.
    """

    name: str
    restore: Restore
    parameters: int | None
    macs: int | None
    file: Path | None = None
    sha256: str | None = None


def open_candidates(
    models: Sequence[str], *, device: str, precision: str, tile: str | int
) -> list[Candidate]:
    """Load what is to be measured, each model once.

    A model is "identity", a classical baseline ("dark-channel", "median", "unsharp" or "wiener"),
    a shipped model's name or task, a file of weights, an ONNX file (.onnx), or a TorchScript
    program (.pt, .ts or .torchscript), which is run: load none that you do not trust. `precision`
    and `tile` are for CCNet alone.

    Raises:
        UsageError: A device, precision or tile size that there is not.
        WeightsError: A model that there is not, or that cannot be loaded.
    """
    models = list(dict.fromkeys(models))
    names = [short_name(model) for model in models]
    if len(set(names)) < len(names):
        names = models
    return [
        _open(name, model, device, precision, tile)
        for name, model in zip(names, models, strict=True)
    ]


def short_name(model: str) -> str:
    """Name a model in reports: a file without its folder, but for the weights of a run.

    They are all called alike, and the run's folder tells which they are.
    """
    file = Path(os.path.abspath(model))  # noqa: PTH100 - resolve() would lose the name of a link
    if model in _BASELINES or not os.path.isfile(file):  # noqa: PTH113 - as below
        return model
    return f"{file.parent.name}/{file.name}" if file.stem == "weights" else file.name


def _open(name: str, model: str, device: str, precision: str, tile: str | int) -> Candidate:
    if model in _BASELINES:
        return Candidate(name, _BASELINES[model], 0, 0 if model == "identity" else None)
    file = Path(model) if model.lower().endswith((".onnx", *RUNNABLE)) else find_weights(model)
    if not os.path.isfile(file):  # noqa: PTH113 - Path's own fails for what cannot be looked at
        there = os.path.lexists(file)
        raise WeightsError(f"{file} is {'no file' if there else 'not there'}.")
    try:
        checksum = sha256(file)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {reason_of(error)}.") from error
    if file.suffix.lower() == ".onnx":
        return Candidate(name, _alone(load_onnx(file, device)), None, None, file, checksum)
    if holds_torchscript(file):
        if file.suffix.lower() not in RUNNABLE:
            raise WeightsError(
                f"{file} holds a TorchScript program and no weights alone; to run it, if you trust "
                f"it, rename it to {file.stem}.pt."
            )
        program, restore = load_torchscript(file, device)
        cost = count_parameters(program), count_macs(program)
        return Candidate(name, _alone(restore), *cost, file, checksum)
    network = load_network(file)  # not what a branch on the Hub has become since
    restorer = Restorer(network, device=device, precision=precision, tile=tile)

    def restore_tiled(picture: Pixels, progress: Callable[[float], object]) -> Pixels:
        return restorer(picture, progress=progress)

    cost = count_parameters(network), count_macs(network)
    return Candidate(name, restore_tiled, *cost, file, checksum)


def _alone(restore: Callable[[Pixels], Pixels]) -> Restore:
    """Make what takes a picture whole a `Restore`."""

    def whole(picture: Pixels, progress: Callable[[float], object]) -> Pixels:
        restored = restore(picture)
        progress(1.0)
        return restored

    return whole


_BASELINES: dict[str, Restore] = {
    "identity": _alone(lambda picture: picture),
    "dark-channel": _alone(remove_haze),
    "median": _alone(filter_median),
    "unsharp": _alone(sharpen),
    "wiener": _alone(deconvolve),
}
