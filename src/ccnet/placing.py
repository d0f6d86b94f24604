"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from ccnet.errors import CCNetError


def place_file(
    data: bytes | memoryview,
    path: str | os.PathLike[str],
    *,
    error: type[CCNetError],
    overwrite: bool = False,
) -> None:
    """Write bytes to a temporary file beside a path and move it there, whole or not at all.

    Args:
        data: The file's content.
        path: Where to; a symbolic link is followed, and a replaced file's permissions are kept.
        error: What to raise.
        overwrite: Whether to replace a file that is there; if not, one that another process writes
            meanwhile is safe too.

    Raises:
        error: The file is there already, or cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        temporary = target.with_name(f".ccnet-{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(data)
            if overwrite:
                if target.exists():
                    shutil.copymode(target, temporary)
                temporary.replace(target)
            else:
                _move_to_free(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError as cause:
        raise error(taken(path)) from cause
    except (OSError, ValueError) as cause:  # ValueError: a zero byte in the path
        reason = getattr(cause, "strerror", None) or str(cause)
        raise error(f"{os.fspath(path)} cannot be written: {reason.lower()}.") from cause


def _move_to_free(temporary: Path, target: Path) -> None:
    """Move a file to a free path; raises FileExistsError where it is taken, even only just now."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name first
        target.open("xb").close()
        try:
            temporary.replace(target)
        except BaseException:
            target.unlink()
            raise


def taken(path: str | os.PathLike[str]) -> str:
    """Say that a path is not free."""
    return f"{os.fspath(path)} is there already; name another file, or allow it to be overwritten."
