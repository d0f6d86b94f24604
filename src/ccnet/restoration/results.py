"""Where and in which format a restored file goes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ccnet.errors import PictureError, reason_of
from ccnet.images import Picture
from ccnet.images.formats import format_named, format_of_suffix


def result_format(picture: Picture, source: Path, target: Path, asked: str | None) -> str | None:
    """Name a result's format: what is asked for, else what the target's suffix says.

    That is the source's where it is the source's suffix or there is none, and None where it is no
    picture's.
    """
    if asked is None and target.suffix.lower() in ("", source.suffix.lower()):
        return picture.format
    return asked or format_of_suffix(target)


def stays(picture: Picture, format: str | None, quality: int | None) -> bool:  # noqa: A002
    """Whether a picture that is not changed can keep its file's bytes in what is asked for."""
    return quality is None and format is not None and format_named(format) == picture.format


def read_bytes(path: Path) -> bytes:
    """Read a file as it is; `Picture.piped` is what came of a pipe. Raises PictureError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {reason_of(error)}.") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those on the way; raises PictureError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _not_made(folder, error) from error


def check_folder(target: Path) -> None:
    """Raise PictureError where a target's folder cannot be made or written to; makes nothing.

    Nor may the target be a folder itself.
    """
    if os.path.isdir(target):  # noqa: PTH112 - what cannot be looked at is told below
        raise PictureError(f"{target} is a folder; name a file in it.")
    for place in target.parents:
        try:
            folder = stat.S_ISDIR(place.stat().st_mode)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise _not_made(target.parent, error) from error
        if not folder:
            raise PictureError(f"{target.parent} cannot be made: {place} is a file.")
        # What a link leads to is written in a folder of its own.
        linked = os.path.islink(target)  # noqa: PTH114 - nor fails where the folder is closed
        if not os.access(place, os.W_OK | os.X_OK) and not linked:
            raise PictureError(f"{target} cannot be written: {place} may not be written to.")
        return


def _not_made(folder: Path, error: OSError | ValueError) -> PictureError:
    if isinstance(error, OSError):
        return PictureError(f"{folder} cannot be made: {reason_of(error)}.")
    return PictureError(f"{str(folder)!r} cannot be made: {error}.")  # for a zero byte in the name
