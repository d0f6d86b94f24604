"""`ccnet convert`: turn weights from one file format into another."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


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
            "--output", "-o", help="The file to write: .safetensors, or .pkl as published."
        ),
    ],
    task: Annotated[
        Task | None, typer.Option(help="What the weights are for, to be noted in a .safetensors.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
) -> None:
    """Convert weights: ccnet convert model.pkl -o model.safetensors.

    Nothing that a checkpoint may hold besides weights is run.
    """
    from ccnet.errors import UsageError
    from ccnet.weights.files import read_metadata, read_network, save_checkpoint, save_model
    from ccnet.weights.registry import SUFFIXES, find_weights

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output} should end in one of {', '.join(SUFFIXES)}.")
    source = find_weights(model)
    network = read_network(source)
    if output.suffix.lower() == ".safetensors":
        metadata = read_metadata(source)
        if task is not None:
            metadata["task"] = task.value
        save_model(network, output, metadata, overwrite=overwrite)
    else:
        save_checkpoint(network, output, overwrite=overwrite)
    typer.echo(os.fsencode(output))
