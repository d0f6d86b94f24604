"""`ccnet models`: list the models that ship, or show one's card."""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from ccnet.weights.registry import find_model, list_models


def models(
    name: Annotated[str | None, typer.Argument(help="A model or a task, to show its card.")] = None,
) -> None:
    """List the models that ship with ccnet, or show the card of one."""
    console = Console()
    if name is None:
        console.print(_table())
    elif console.is_terminal:
        console.print(Markdown(find_model(name).card))
    else:
        typer.echo(find_model(name).card)


def _table() -> Table:
    table = Table("Model", "Task", "Parameters", "Licence", "Description", box=box.SIMPLE_HEAD)
    table.columns[0].no_wrap = True  # a name is there to be copied
    for model in list_models():
        default = " (default)" if find_model(model.task) == model else ""
        table.add_row(
            model.name,
            model.task + default,
            f"{model.parameters:,}",
            model.licence,
            model.description,
        )
    return table
