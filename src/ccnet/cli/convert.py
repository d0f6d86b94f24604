"""`ccnet convert`: turn weights from one file format into another."""

from __future__ import annotations

import math
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccnet.errors import UsageError

if TYPE_CHECKING:
    from ccnet.network import CCNet


class Task(str, Enum):
    """What a network can be for."""

    dehaze = "dehaze"
    deblur = "deblur"
    desnow = "desnow"


def convert(
    model: Annotated[
        str,
        typer.Argument(help="A published checkpoint (.pkl, .pth), a .safetensors or a model."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            help="The file to write: .safetensors, or .pkl as published.",
        ),
    ],
    task: Annotated[
        Task | None, typer.Option(help="What the weights are for, to be noted in a .safetensors.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Theirs, to be noted.")] = None,
    description: Annotated[
        str | None, typer.Option(help="What they are good for, in one line, to be noted.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="What they were trained and validated on, to be noted.")
    ] = None,
    psnr: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="INPUT RESTORED",
            help="Of the pictures they were validated on, in dB, as they are and restored; to be "
            "noted.",
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure what one core takes for a megapixel, and note it, too."
        ),
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Write them in float16, in half the bytes.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
) -> None:
    """Convert weights: ccnet convert model.pkl -o model.safetensors.

    Nothing that a checkpoint may hold besides weights is run. A .safetensors keeps what it says of
    itself, which `ccnet models` lists; what is noted replaces it.
    """
    from ccnet.extras import require

    require("torch", "Converting weights")

    from ccnet.weights.files import read_metadata, read_network, save_checkpoint, save_model
    from ccnet.weights.registry import SUFFIXES, find_weights

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output} should end in one of {', '.join(SUFFIXES)}.")
    notes = _notes(task, licence, description, data, psnr)
    if output.suffix.lower() != ".safetensors" and (notes or measure or half):
        raise UsageError(f"{output} can hold neither notes nor float16; only a .safetensors can.")
    source = find_weights(model)
    network = read_network(source)
    if output.suffix.lower() == ".safetensors":
        metadata = read_metadata(source) | notes
        if measure:
            metadata |= _measured(network)
        save_model(network, output, metadata, half=half, overwrite=overwrite)
    else:
        save_checkpoint(network, output, overwrite=overwrite)
    typer.echo(os.fsencode(output))


def _notes(
    task: Task | None,
    licence: str | None,
    description: str | None,
    data: str | None,
    psnr: tuple[float, float] | None,
) -> dict[str, str]:
    """Put what was given for the file's metadata under its keys."""
    from ccnet.weights.model import INPUT_PSNR, PSNR

    if psnr and not all(map(math.isfinite, psnr)):
        raise UsageError(f"--psnr {psnr[0]} {psnr[1]} must be two finite numbers.")
    before, after = (f"{value:.3f}" for value in psnr) if psnr else (None, None)
    notes = {
        "task": task and task.value,
        "licence": licence,
        "description": description,
        "data": data,
        INPUT_PSNR: before,
        PSNR: after,
    }
    given = {key: value for key, value in notes.items() if value is not None}
    for key, value in given.items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"--{key} {value} is not Unicode, which notes must be.") from error
    return given


def _measured(network: CCNet) -> dict[str, str]:
    """Measure the network's speed on one core of this machine."""
    from ccnet.evaluation.cost import cpu_seconds_per_megapixel
    from ccnet.machine import describe_processor
    from ccnet.weights.model import MACHINE, SECONDS

    return {SECONDS: f"{cpu_seconds_per_megapixel(network):.4g}", MACHINE: describe_processor()}
