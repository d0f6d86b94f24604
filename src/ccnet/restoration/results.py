"""Where and in which format a restored file goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ccnet.errors import PictureError
from ccnet.images.formats import format_named, format_of_suffix

if TYPE_CHECKING:
    from ccnet.images import Picture


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
        raise PictureError(f"{path} cannot be read: {error.strerror}.") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those on the way; raises PictureError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder} cannot be made: {error.strerror}.") from error
