"""`ccnet export`: write a model for other engines."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

_KEPT = ("task", "licence", "description")
"""Of what a file of weights says of itself, that which an exported one says, too."""


class Format(str, Enum):
    """What a network can be written as."""

    onnx = "onnx"
    openvino = "openvino"


def export(
    model: Annotated[
        str, typer.Argument(help="A model's name, a task, or a file of weights, as for restore.")
    ],
    format: Annotated[  # noqa: A002
        Format, typer.Option(help="onnx writes one file; openvino .xml, and .bin beside it.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", readable=False, help="The file to write.")
    ],
    averages: Annotated[
        bool,
        typer.Option(
            "--averages",
            help="Make the whole-picture averages an input and an output, for tiles; ccnet restore "
            "--model takes such an ONNX file.",
        ),
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Hold the weights in float16, in half the bytes.")
    ] = False,
    beside: Annotated[
        bool,
        typer.Option(
            "--beside",
            help="With --averages, leave the weights in NAME.safetensors beside NAME.onnx.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Export a model: ccnet export dehaze --format onnx -o dehaze.onnx.

    It takes any number of pictures of any size. Before anything is written, its results are
    compared with PyTorch's.
    """
    import ccnet
    from ccnet.export import export_model
    from ccnet.weights.files import read_metadata, read_network
    from ccnet.weights.registry import find_weights

    source = find_weights(model)
    network = read_network(source)
    known = read_metadata(source)
    name = source.stem.encode(errors="backslashreplace").decode()  # metadata are Unicode
    metadata = {"name": name, "ccnet_version": ccnet.__version__}
    metadata |= {key: known[key] for key in _KEPT if key in known}
    worst = export_model(
        network,
        output,
        format.value,
        averages=averages,
        half=half,
        beside=beside,
        metadata=metadata,
        overwrite=overwrite,
    )
    typer.echo(os.fsencode(output))
    typer.echo(f"differs from PyTorch by {worst:.0e} at most", err=True)
