"""Where the page's pictures are while a browser shows them, and for how long."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ccnet.serving.refusals import too_much_held

KEPT_SECONDS = 600
_EVERY_SECONDS = 30
_PREFIX = "ccnet-serve-"
_POSIX_BLOCK = 512  # of st_blocks, whatever the disk's own are
_LEAST_BYTES = 4096  # that a file or folder takes, where the system counts none for it
_DIRECTORY_BYTES = 1 << 16  # more than the list at the end of a zip of the page takes


@contextmanager
def page_folder() -> Iterator[Path]:
    """Make a private folder for the page's files, and remove it and those of killed servers.

    A server holds a lock on its folder, which the system lets go when the process is killed.
    """
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and (lock := _lock(folder)) is not None:
                shutil.rmtree(folder)
                os.close(lock)
    lock = None
    while lock is None:  # another server that is starting may take the folder for a killed one's
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for this process; None where another one has it, or has removed it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()  # for one that was removed just before can be locked, too
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def forgetting(folder: Path) -> Iterator[None]:
    """Delete what is old in a folder now and then, but not the examples that are there already."""
    examples = set(folder.rglob("*"))
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(_EVERY_SECONDS):
            forget(folder, examples, time.time() - KEPT_SECONDS)

    thread = threading.Thread(target=run, name="ccnet-forgetting")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def forget(folder: Path, kept: Collection[Path], before: float) -> None:
    """Delete the files below a folder that came before some time, and folders without any."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes first
        with suppress(OSError):  # it is gone, or no empty folder
            if path not in kept and path.stat().st_ctime < before:
                path.rmdir() if path.is_dir() else path.unlink()


def keep(paths: Iterable[Path]) -> None:
    """Make files and folders count as new, for `forget` and for Gradio, if they are still there."""
    for path in paths:
        with suppress(OSError):
            os.utime(path)


def check_room(folder: Path, most_bytes: int) -> None:
    """Raise `Refusal` where a folder and all below take more bytes of the disk than they may."""
    total = 0
    for parent, _, names in os.walk(folder):  # which passes over folders that vanish meanwhile
        for name in ("", *names):
            with suppress(OSError):  # as files do
                status = Path(parent, name).stat()
                blocks = getattr(status, "st_blocks", 0)  # which Windows does not tell
                total += max(status.st_size, blocks * _POSIX_BLOCK, _LEAST_BYTES)
    if total > most_bytes:
        raise too_much_held()


def add_to_zip(archive: Path, name: str, data: bytes) -> None:
    """Add a file to a zip, which is made if it is not there.

    Raises `OSError` where it cannot be written, as on a full disk; the zip is then as it was.
    """
    archive.touch()
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        kept_from = file.seek(max(0, size - _DIRECTORY_BYTES))
        end = file.read()
    try:
        with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as opened:
            opened.writestr(name, data)
    except BaseException:
        with archive.open("r+b") as file:  # what is added lies over the list at the end
            file.seek(kept_from)
            file.write(end)
            file.truncate()
        raise
