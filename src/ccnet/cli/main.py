"""The command `ccnet`: its subcommands, and what becomes of their errors."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from ccnet.cli.benchmark import benchmark
from ccnet.cli.compare import compare
from ccnet.cli.convert import convert
from ccnet.cli.data import data
from ccnet.cli.degrade import degrade
from ccnet.cli.evaluate import evaluate
from ccnet.cli.export import export
from ccnet.cli.lines import one_line, wants_traces
from ccnet.cli.models import models
from ccnet.cli.restore import restore
from ccnet.cli.serve import serve
from ccnet.cli.train import train
from ccnet.errors import CCNetError, DatasetError

_STOPPED = 130  # which typer ends with after Ctrl-C

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take half the time of --help
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
for command in (restore, compare, serve, degrade, train, evaluate, models, convert, export):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(benchmark, name="benchmark")


def _show_version(wanted: bool) -> None:
    if wanted:
        import ccnet

        typer.echo(f"ccnet {ccnet.__version__}")
        raise typer.Exit


@app.callback()
def ccnet(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Restore hazy, blurry and snowy photographs with CCNet, a context-aware convolutional network.

    An error is told in one line; --debug anywhere, or CCNET_DEBUG=1, adds where it came from, of a
    file's if nobody expected it.
    """


def run() -> None:
    """Run the command line.

    Exits with 0 (all done), 1 (something failed), 2 (wrong usage) or 130 (Ctrl-C).
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ["CCNET_DEBUG"] = "1"
    debug = wants_traces()
    if isinstance(sys.stdout, io.TextIOWrapper):  # as standard error has it by itself
        sys.stdout.reconfigure(errors="backslashreplace")
    # A Hub out of reach is told once, and not at each of six attempts, too.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    try:
        app(arguments, prog_name="ccnet")
    except CCNetError as error:
        if debug:
            raise
        for problem in error.problems if isinstance(error, DatasetError) else ():
            typer.echo(one_line(problem), err=True)
        typer.echo(f"ccnet: {one_line(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if debug or error.errno != errno.ENOSPC:
            raise
        where = one_line(str(error.filename or "standard output"))
        typer.echo(f"ccnet: {where} cannot be written: no space left on device.", err=True)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == _STOPPED:
            typer.echo("ccnet: stopped.", err=True)
            with suppress(OSError):
                sys.stdout.flush()
            # As Python ends, a codec or engine stopped halfway can end the process by a fault.
            os._exit(_STOPPED)
        raise
