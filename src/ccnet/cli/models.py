"""`ccnet models`: list the models that have a name, show one's card, or fetch one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccnet.cli.lines import one_line
from ccnet.errors import UsageError, WeightsError
from ccnet.weights.model import Model, read_model
from ccnet.weights.registry import DEFAULTS, find_weights, list_models, look_up, read_card

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST = 200
"""Characters of a text that a file says of itself."""

_WIDEST = 1000


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model or a task, to show its card, or a .safetensors file or one on the Hub "
            "(hf:OWNER/REPOSITORY/FILE.safetensors), to list what it says of itself."
        ),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch", help="Fetch the model if it is not here, and print where its file is."
        ),
    ] = False,
) -> None:
    """List the models that have a name, or show the card of one."""
    from rich.console import Console

    console = Console()
    if name is None:
        if fetch:
            raise UsageError("--fetch needs the name of a model.")
        _print_table(console, list_models())
        return
    if fetch:
        path = find_weights(name)
        if not os.path.isfile(path):  # noqa: PTH113 - Path's own fails where a folder is closed
            raise WeightsError(f"{path} is not there, or no file.")
        typer.echo(os.fsencode(path))
        return
    found = look_up(name)
    if not isinstance(found, Model):
        path = found if isinstance(found, Path) else find_weights(name)
        _print_table(console, [read_model(path, path.name)])
    elif console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(read_card(found)))
    else:
        typer.echo(read_card(found))


def _print_table(console: Console, listed: Sequence[Model]) -> None:
    """Print a line for each model, and below what the figures need to be understood."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Model", "Task", "Parameters", "Licence", "Data", "PSNR, dB", "s/MP"):
        table.add_column(heading, no_wrap=heading != "Data", overflow="fold")
    for model in listed:
        table.add_row(*(Text(_cell(text)) for text in _columns(model)))
    if not console.is_terminal:  # each model on one line, for other programs
        console.width = _WIDEST
    console.print(table)
    for note in _notes(listed):
        console.print(Text(_cell(note)))


def _columns(model: Model) -> Iterator[str | None]:
    yield model.name
    yield f"{model.task} *" if _is_default(model) else model.task
    yield f"{model.parameters:,}"
    yield model.licence
    yield model.data
    known = None not in (model.input_psnr, model.psnr)
    yield f"{model.input_psnr:.2f} → {model.psnr:.2f}" if known else None
    yield None if model.seconds is None else f"{model.seconds:.3g}"


def _is_default(model: Model) -> bool:
    return DEFAULTS.get(model.task or "") == model.name


def _notes(listed: Sequence[Model]) -> Iterator[str]:
    if any(map(_is_default, listed)):
        yield "*: the model that the task means."
    yield "PSNR: of the degraded pictures it was validated on → restored."
    machines = dict.fromkeys(model.machine for model in listed if model.seconds is not None)
    for machine in machines:
        here = [model.name for model in listed if model.machine == machine]
        names = f" ({', '.join(here)})" if len(machines) > 1 else ""
        yield f"s/MP: CPU seconds for a megapixel in float32 on one core, {machine}{names}."
    outside = [
        f"{model.name} ({model.size / 1e6:.1f} MB)"
        for model in listed
        if not isinstance(model.file, Path)
    ]
    if outside:
        yield f"Fetched from the Hub when first used: {', '.join(outside)}."


def _cell(text: str | None) -> str:
    """Show a text that may come from anyone's file, and is no markup of ours."""
    if text is None:
        return "?"
    return one_line(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
