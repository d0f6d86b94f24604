"""`ccnet restore` with standard input or output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ccnet.cli.lines import one_line
from ccnet.errors import PictureError, UsageError
from ccnet.placing import place_file, taken

if TYPE_CHECKING:
    from ccnet.restoration.automatic import Outcome
    from ccnet.runs.request import Request

STREAM = "-"
"""What standard input and output are called."""


def restore_stream(request: Request, source: str, target: str | None) -> None:
    """Restore standard input, or to standard output, on which nothing else is written."""
    from ccnet.images import encode_picture, read_picture, write_picture
    from ccnet.images.reading import GIVEN_AS_BYTES
    from ccnet.images.writing import check_target
    from ccnet.restoration import Restorer
    from ccnet.restoration.results import (
        check_folder,
        make_folder,
        read_bytes,
        result_format,
        stays,
    )

    _check_places(source, target, request.overwrite)
    data = sys.stdin.buffer.read() if source == STREAM else None
    try:
        picture = read_picture(source if data is None else data)
    except PictureError as error:
        raise PictureError(str(error).replace(GIVEN_AS_BYTES, "Standard input")) from error
    into = None if target is None or target == STREAM else Path(target)
    quality, overwrite = request.quality, request.overwrite
    format = result_format(picture, Path(source), into or Path(source), request.format)  # noqa: A001
    if into is not None:
        check_folder(into)
        if not (request.model is None and stays(picture, format, quality)):
            check_target(picture, into, format=format, quality=quality)
    restorer = request.load()
    if isinstance(restorer, Restorer):
        restored = restorer.restore_picture(picture)
    else:
        restored, outcome = restorer.restore_picture(picture)
        name = "standard input" if source == STREAM else source
        typer.echo(one_line(taken_for(name, outcome)), err=True)
    if restorer.engine:
        typer.echo(f"restored with {restorer.engine}", err=True)
    if restored is not picture or not stays(picture, format, quality):
        data = None
    elif data is None:
        data = picture.piped or read_bytes(Path(source))
    if into is None:
        sys.stdout.buffer.write(data or encode_picture(restored, format, quality))
        sys.stdout.buffer.flush()
        return
    make_folder(into.parent)
    if data is None:
        write_picture(restored, into, format=format, quality=quality, overwrite=overwrite)
    else:
        place_file(data, into, error=PictureError, overwrite=overwrite)
    typer.echo(os.fsencode(into))


def _check_places(source: str, target: str | None, overwrite: bool) -> None:
    """Raise what `restore_stream` does where it cannot read from or write to these."""
    from ccnet.runs.folders import is_video

    if target is not None and target.endswith("/"):
        raise UsageError(f"--output {target} is a folder; name a file for one picture.")
    if is_video(Path(source)):
        raise UsageError(f"{source} is a video; name a file with --output.")
    if source == STREAM and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "Standard input is a terminal or closed; send a picture in with < or a pipe."
        )
    if target in (None, STREAM) and (sys.stdout is None or sys.stdout.isatty()):
        raise UsageError(
            "Standard output is a terminal or closed; send it on with > or a pipe, or use -o."
        )
    if target and target != STREAM and not overwrite and os.path.lexists(target):
        raise PictureError(taken(target))


def taken_for(source: str, outcome: Outcome) -> str:
    """Say what a picture was taken for, and what became of it."""
    done = "not restored" if outcome.model is None else f"restored with {outcome.model}"
    return f"{source}: {outcome.kind}, {done}"
