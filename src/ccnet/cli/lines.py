"""Lines that commands write, whatever the names of files in them hold."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

_UNPRINTABLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def one_line(text: str) -> str:
    """Spell out what would break a line or steer a terminal."""
    return text.translate(_UNPRINTABLE)


def wants_traces() -> bool:
    """Whether errors are to be told with where they came from, as `--debug` asks for."""
    return os.environ.get("CCNET_DEBUG", "") not in ("", "0")


def write_line(line: str, bar: Progress, *, error: bool = False) -> None:
    """Write to standard output, or to standard error, above a bar that is on the same terminal.

    Elsewhere names of files are written as the bytes that they are.
    """
    if not bar.disable and (error or sys.stdout.isatty()):
        from rich.text import Text

        bar.console.print(Text(line), soft_wrap=True)
    else:
        typer.echo(os.fsencode(line), err=error)
