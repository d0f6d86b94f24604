"""`ccnet benchmark`: what the models reach, and how fast."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from ccnet.cli.degrade import Kind
from ccnet.cli.lines import one_line, write_line
from ccnet.cli.progress import progress_bar

benchmark = typer.Typer(no_args_is_help=True)


@benchmark.callback()
def _benchmark() -> None:
    """Measure what the models reach, and how fast."""


@benchmark.command()
def quality(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS",
            help="A folder of clear photographs; those named in its VAL.txt, if it has one.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", readable=False, help="The folder to write the report into."),
    ] = Path("quality"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model's name or a file, measured on what it is for; may be repeated. Each "
            "task's own model when left out."
        ),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="What to put into the photographs; may be repeated. All by default."),
    ] = None,
    size: Annotated[
        int, typer.Option(min=64, help="Pixels to reduce the photographs' long sides to.")
    ] = 384,
    device: Annotated[
        str,
        typer.Option(help="auto, which takes a GPU where there is one; cpu, cuda, cuda:N, mps."),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that is there.")
    ] = False,
) -> None:
    """Measure models on photographs with haze, blur and snow put in: ccnet benchmark quality DIR.

    Each photograph is degraded in three strengths, always the same, and put in as it is, too.
    Prints PSNR and SSIM beside those of classical filters, and writes them with all pictures'
    numbers and sheets to look at. Exits with 1 if photographs could not be measured.
    """
    from ccnet.extras import require

    require("evaluate", "Measuring")

    from ccnet.datasets.photographs import photographs_to_measure
    from ccnet.evaluation.conditions import KINDS
    from ccnet.evaluation.quality import measure_quality
    from ccnet.evaluation.quality_report import file_names, tables, write_quality
    from ccnet.evaluation.report import check_output

    started = time.monotonic()
    kinds = [one.value for one in kind or ()]
    check_output(output, file_names(kinds or KINDS), overwrite=overwrite)
    photographs = photographs_to_measure(photos)
    with progress_bar() as bar:
        task = bar.add_task("", total=None)

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, description=one_line(name), completed=done, total=total)

        measured = measure_quality(
            photographs,
            model or (),
            kinds=kinds,
            size=size,
            device=device,
            progress=show,
            failed=lambda reason: write_line(f"ccnet: {one_line(reason)}", bar, error=True),
        )
        try:  # either of the two may fail, and what took minutes is not to be lost with it
            write_quality(
                measured,
                output,
                overwrite=overwrite,
                progress=lambda name: bar.update(task, description=name),
            )
        finally:
            bar.stop()
            typer.echo(tables(measured).encode("utf-8", "surrogateescape"), nl=False)
    seconds = f" in {time.monotonic() - started:.0f} s"
    typer.echo(b"written to " + os.fsencode(output) + seconds.encode(), err=True)
    if measured.left_out:
        raise typer.Exit(1)


@benchmark.command()
def speed(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A task, or the name of a model that ships.")
    ] = "dehaze",
    side: Annotated[
        list[int] | None,
        typer.Option(
            min=128,
            help="Pixels of the picture across and down; may be repeated. 512 and 1024 by default.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 3,
    device: Annotated[
        str,
        typer.Option(help="auto, which takes a GPU where there is one; cpu, cuda, cuda:N, mps."),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", readable=False, help="A folder for the table, its numbers and a plot."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that is there.")
    ] = False,
) -> None:
    """Measure how fast engines restore: ccnet benchmark speed.

    Each engine and precision that is installed takes turns with the plain network in eager PyTorch.
    Prints how many times faster it is, what memory it takes, how near it comes to the plain
    network, and how near to what a product of matrices reaches on this machine.
    """
    from ccnet.extras import require

    require("evaluate", "Measuring")

    from ccnet.evaluation.report import check_output
    from ccnet.evaluation.speed import combinations, measure_speed
    from ccnet.evaluation.speed_report import NAMES, speed_table, write_speed
    from ccnet.machine import find_device
    from ccnet.weights.registry import find_model

    find_model(model)
    device = find_device(device)
    if output is not None:
        check_output(output, NAMES, overwrite=overwrite)
    sides = side or [512, 1024]
    speeds = []
    try:  # the last may fail, and what took minutes is not to be lost with it
        with progress_bar() as bar:
            task = bar.add_task("", total=len(sides) * len(combinations(device)))
            for measured in measure_speed(model, sides=sides, rounds=rounds, device=device):
                speeds.append(measured)
                text = f"{measured.engine} {measured.precision}"
                bar.update(task, completed=len(speeds), description=text)
    finally:
        if speeds:
            typer.echo(speed_table(speeds), nl=False)
    if output is not None:
        write_speed(speeds, model, device, output, overwrite=overwrite)
        typer.echo(b"written to " + os.fsencode(output), err=True)
