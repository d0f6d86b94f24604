"""`ccnet data`: the datasets there are, and whether one on disk is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ccnet.cli.lines import one_line, write_line
from ccnet.cli.progress import progress_bar

data = typer.Typer(no_args_is_help=True)


@data.callback()
def _data() -> None:
    """List the datasets that can be trained and measured on, and check one on disk."""


@data.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Argument(help="A dataset, to tell all about it.")] = None,
) -> None:
    """List datasets: what each is for, where it is published, and how its folder must look."""
    from ccnet.datasets.catalogue import LAYOUTS
    from ccnet.datasets.layouts import find_layout

    if name is not None:
        layout = find_layout(name)
        typer.echo(f"{name}: {layout.title}\ntask: {layout.task}\npublished: {layout.published}\n")
        typer.echo("\n".join(f"    {line}" for line in layout.sketch.splitlines()))
        typer.echo(f"\n{layout.note}")
        return
    for key, layout in LAYOUTS.items():
        typer.echo(f"{key:<15} {layout.task:<7} {layout.published}")
        typer.echo(f"{'':<15} {', '.join(layout.sketch.splitlines())}")


@data.command()
def check(
    name: Annotated[str, typer.Argument(help="A dataset; ccnet data list has all.")],
    path: Annotated[Path, typer.Argument(help="Its folder, or a CSV file of pairs.")],
    targets: Annotated[
        Path | None, typer.Argument(help="The folder of targets, for the dataset folders.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Read only headers, which misses pictures that are cut short."
        ),
    ] = False,
    held_out: Annotated[
        float,
        typer.Option(min=0, max=0.99, help="The share of scenes to hold out where none are."),
    ] = 0.05,
) -> None:
    """Name all that is wrong with a dataset: ccnet data check gopro data/GoPro.

    Prints one line for each picture that has no partner or another size than it, cannot be decoded,
    or is there twice; warnings are about what does no harm. Exits with 1 if there is a problem, and
    else tells how many pairs each split has.
    """
    from ccnet.datasets.checking import DatasetCheck, counted

    dataset = DatasetCheck(name, path, targets=targets, held_out=held_out)
    problems = warnings = 0
    with progress_bar() as bar:
        task = bar.add_task(name, total=len(dataset.pictures))
        for problem in dataset.problems(
            quick=quick, progress=lambda done: bar.update(task, completed=done)
        ):
            problems += not problem.warning
            warnings += problem.warning
            mark = "warning: " if problem.warning else ""
            write_line(mark + one_line(problem.message), bar)
    if problems:
        warned = f", {counted(warnings, 'warning')}" if warnings else ""
        pictures = counted(len(dataset.pictures), "picture")
        typer.echo(f"{counted(problems, 'problem')}{warned} in {pictures}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{name}: {dataset.summary()}")
