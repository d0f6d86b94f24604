"""`ccnet evaluate`: measure models on a dataset."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ccnet.cli.lines import one_line, write_line
from ccnet.cli.progress import progress_bar


class Split(str, Enum):
    """Which part of a dataset."""

    test = "test"
    validation = "validation"
    train = "train"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's name or task, a file of weights, identity, dark-channel, median, "
            "unsharp, wiener, a TorchScript (.pt, which is run) or an ONNX file.",
        ),
    ],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A layout: sots-indoor, folders, csv; ccnet data list has all."
        ),
    ],
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The dataset's folder, or a CSV file of pairs."),
    ],
    targets: Annotated[
        Path | None,
        typer.Argument(metavar="TARGETS", help="The folder of targets, for the layout folders."),
    ] = None,
    split: Annotated[Split, typer.Option(help="Which part of the dataset.")] = Split.test,
    held_out: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help="The share of scenes that validate, where there is no such split."
        ),
    ] = 0.05,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="published, rgb, y or quantised; may be repeated. All of them when left out."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="One more to compare with; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            help="The report's folder; evaluation/MODEL-DATASET when left out.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The most pictures to take, evenly spaced.")
    ] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Put the targets through, too, which should stay.")
    ] = False,
    device: Annotated[
        str,
        typer.Option(help="auto, which takes a GPU where there is one; cpu, cuda, cuda:N, mps."),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Of CCNet: auto, which is float32; float32, bfloat16 or float16.")
    ] = "auto",
    tile: Annotated[
        str,
        typer.Option(
            help="Of CCNet: auto cuts pictures too large for memory into tiles, off never does; a "
            "number is the most pixels across and down, from 512 up."
        ),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that is there.")
    ] = False,
) -> None:
    """Measure a model: ccnet evaluate dehaze sots-indoor data/SOTS --model dark-channel.

    Prints tables of PSNR, SSIM and cost, and writes them with all pictures' numbers and a sheet of
    the worst and best into a folder. Exits with 1 if pictures could not be measured.
    """
    from ccnet.evaluation.candidates import short_name
    from ccnet.evaluation.evaluate import evaluate as measure
    from ccnet.evaluation.report import check_output, write_report

    called = Path(short_name(model))
    folder = output or Path("evaluation") / f"{called.parent.name or called.stem}-{dataset}"
    check_output(folder, overwrite=overwrite)
    with progress_bar() as bar:
        task = bar.add_task("", total=None)

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, description=one_line(name), completed=done, total=total)

        report = measure(
            [model, *(models or ())],
            dataset,
            path,
            targets,
            split=split.value,
            held_out=held_out,
            protocols=protocol or (),
            limit=limit,
            clean=clean,
            device=device,
            precision=precision,
            tile=tile,
            progress=show,
            failed=lambda reason: write_line(f"ccnet: {one_line(reason)}", bar, error=True),
        )
    try:  # either of the two may fail, and what took hours is not to be lost with it
        write_report(report, folder, overwrite=overwrite)
    finally:
        typer.echo(report.tables().encode("utf-8", "surrogateescape"), nl=False)
    typer.echo(b"written to " + os.fsencode(folder), err=True)
    if report.measured.left_out:
        raise typer.Exit(1)
