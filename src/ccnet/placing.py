"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

from ccnet.errors import CCNetError, reason_of

if sys.platform != "win32":
    import fcntl

_PREFIX = ".ccnet-"
_OWNER_DIGITS = 8
_TEMPORARY = re.compile(r"\.ccnet-[0-9a-f]{16}\.tmp(\.\w+)?")


def place_file(
    data: bytes | memoryview,
    path: str | os.PathLike[str],
    *,
    error: type[CCNetError],
    overwrite: bool = False,
) -> None:
    """Write bytes to a path, whole or not at all; the arguments are those of `placed`."""
    with placed(path, error=error, overwrite=overwrite) as temporary, _told(path, error):
        temporary.write_bytes(data)


@contextmanager
def placed(
    path: str | os.PathLike[str],
    *,
    error: type[CCNetError],
    overwrite: bool = False,
    owner: str = "",
) -> Iterator[Path]:
    """Give a temporary file beside a path to write to, and move it there at the end.

    Where the block raises, the temporary file is removed and nothing is at the path. What it raises
    is let through, for it may read other files, too, and have bugs of its own.

    Args:
        path: Where to; a symbolic link is followed, and a replaced file's permissions are kept.
        error: What to raise.
        overwrite: Whether to replace a file that is there; if not, one that another process writes
            meanwhile is safe too.
        owner: As for `temporary_beside`.

    Raises:
        error: The file is there already, is a folder, device or pipe, or cannot be made or moved.
    """
    with _told(path, error):
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise error(taken(path))
        if overwrite and target.exists() and not target.is_file():
            raise error(f"{os.fspath(path)} is no file.")
        temporary = temporary_beside(target, owner=owner)
    try:
        with _told(path, error):
            held = temporary.open("xb")
        with held:
            hold(held)  # so that sweep() leaves it alone
            if sys.platform == "win32":  # which moves no file that is open
                held.close()
            yield temporary
        with _told(path, error):
            _move(temporary, target, overwrite)
    finally:
        with _told(path, error):
            temporary.unlink(missing_ok=True)


@contextmanager
def _told(path: str | os.PathLike[str], error: type[CCNetError]) -> Iterator[None]:
    """Raise as `error` what goes wrong in a block that does nothing but write to a path."""
    try:
        yield
    except FileExistsError as cause:
        raise error(taken(path)) from cause
    except (OSError, ValueError) as cause:  # ValueError: a zero byte in the path
        raise error(f"{os.fspath(path)} cannot be written: {reason_of(cause)}.") from cause


def temporary_beside(path: Path, suffix: str = "", owner: str = "") -> Path:
    """Name a file beside a path that `sweep` removes, unless it is held.

    Args:
        path: One that is temporary itself hands its owner on.
        suffix: Ends the name.
        owner: Eight hexadecimal digits, by which `sweep` tells whose the file is.
    """
    if not owner and is_temporary(path.name):
        owner = path.name.removeprefix(_PREFIX)[:_OWNER_DIGITS]
    return path.with_name(f"{_PREFIX}{owner}{secrets.token_hex(8)[len(owner) :]}.tmp{suffix}")


def is_temporary(name: str) -> bool:
    """Whether a file has a name of `temporary_beside`."""
    return _TEMPORARY.fullmatch(name) is not None


def hold(file: IO[Any]) -> bool:
    """Lock an open file until it is closed or this process ends; False where another one did.

    Nothing is locked on Windows, nor on file systems that cannot.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
    return True


def sweep(folder: Path, seconds: float = 0.0, owner: str = "") -> None:
    """Remove the temporary files in a folder that processes left behind when they were killed.

    Those that were written to in the last `seconds` stay, where another process may use some, and
    those of others than `owner`, if one is named.
    """
    before = time.time() - seconds
    with suppress(OSError):
        for path in folder.iterdir():
            if not (is_temporary(path.name) and path.name.startswith(_PREFIX + owner)):
                continue
            with suppress(OSError), path.open("rb") as file:
                if os.fstat(file.fileno()).st_mtime <= before and hold(file):
                    path.unlink()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, so that what is placed in it is told of, too.

    Only the main thread is ever interrupted; in another one nothing is held back.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *interrupt: came.append(interrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[-1])


def _move(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        _move_to_free(temporary, target)
        return
    if target.exists():
        shutil.copymode(target, temporary)
    temporary.replace(target)


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
    if os.path.isdir(path):  # noqa: PTH112 - what cannot be looked at is there all the same
        return f"{os.fspath(path)} is a folder; name a file in it."
    return f"{os.fspath(path)} is there already; name another file, or overwrite it (--overwrite)."
