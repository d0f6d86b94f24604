"""Where the page's pictures are while a browser shows them, and for how long."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KEPT_SECONDS = 600
_EVERY_SECONDS = 30
_PREFIX = "ccnet-serve-"


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
    """Lock a folder for this process; None where another one has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
