"""Files at addresses such as s3://bucket/photos, and a manifest where nothing can be appended to.

Their paths are universal_pathlib's `UPath`, which answers to the calls of `pathlib.Path` and is
passed on as one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ccnet.errors import PictureError, UsageError
from ccnet.extras import require
from ccnet.placing import is_temporary, temporary_beside
from ccnet.runs.manifest import NAME, Entry, Source, Stamp, read_lines, spell_line
from ccnet.runs.request import Identity

_AT_ONCE = 256
"""Files of lines that are read together."""


def locate(text: str) -> Path:
    """Give a path on this machine, or where `text` has "://" that of fsspec's file system.

    Raises `UsageError` where there is none of that name, or what it needs is not installed.
    """
    if "://" not in text:
        return Path(text)
    require("cluster", text)
    from upath import UPath

    try:
        path = UPath(text)
        if path.protocol in ("file", "local"):
            return Path(path.path)
        path.fs  # noqa: B018 - tells what is not installed
    except (ImportError, ValueError) as error:
        raise UsageError(f"{text} cannot be opened: {str(error).rstrip('.')}.") from error
    return cast("Path", path)


def is_remote(path: Path) -> bool:
    """Whether a path is not one of this machine's."""
    return not isinstance(path, os.PathLike)


def file_system(path: Path) -> Any:
    """Give fsspec's file system of a remote path."""
    return path.fs  # type: ignore[attr-defined]


def key(path: Path) -> str:
    """Name a remote path as its file system does."""
    return str(path.path)  # type: ignore[attr-defined]


def files_below(folder: Path) -> dict[PurePosixPath, int]:
    """List the files below a remote folder: the size of each, by its path below it.

    None are there where the folder is not. Raises `PictureError` where it cannot be read.
    """
    with told(folder, "read"):
        try:
            found = file_system(folder).find(key(folder), detail=True)
        except FileNotFoundError:
            return {}
    root = key(folder).rstrip("/") + "/"
    sizes = {
        PurePosixPath(name.removeprefix(root)): int(facts.get("size") or 0)
        for name, facts in found.items()
        if name.startswith(root)
    }
    return dict(sorted(sizes.items()))


@contextmanager
def told(path: Path, what: str) -> Iterator[None]:
    """Raise `PictureError` that a path cannot be read or written, whatever a library raises."""
    try:
        yield
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"{path} is not there.") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = reason.splitlines()[0].rstrip(".")
        raise PictureError(f"{path} cannot be {what}: {reason}.") from error


def fetch(path: Path, place: Path) -> int:
    """Copy a remote file to one of this machine's, and give the time of change in nanoseconds.

    0 stands for none that is known. Raises `PictureError`.
    """
    with told(path, "read"):
        changed = path.stat().st_mtime_ns
        file_system(path).get_file(key(path), str(place))
        return changed


def send(file: Path, target: Path) -> Path:
    """Copy a file of this machine beside a remote place, and give where; raises `PictureError`."""
    aside = temporary_beside(target)
    with told(target, "written"):
        file_system(target).makedirs(key(target.parent), exist_ok=True)
        file_system(target).put_file(str(file), key(aside))
        return aside


def move(file: Path, target: Path) -> None:
    """Move a remote file within its file system; raises `PictureError`."""
    from fsspec import AbstractFileSystem

    files = file_system(target)
    with told(target, "written"):
        if type(files).mv is not AbstractFileSystem.mv:
            files.mv(key(file), key(target))
        else:  # which would copy, too, and take brackets in names for patterns
            files.cp_file(key(file), key(target))
            files.rm_file(key(file))


class StoreManifest:
    """The manifest of a remote folder, in files of some lines each until it is closed.

    Lines do not tell times, which stores set anew when a file is moved, but in which file aside a
    result stands. As long as that is there, the result was not moved, and its line means nothing.
    Nothing is locked: one run at a time must write to a folder. Raises `PictureError`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes = files_below(folder)
        self._waiting: list[str] = []
        parts = self._parts()
        gathered = not parts or parts[-1].name == NAME
        self._number = 0 if gathered else int(parts[-1].suffix[1:])
        asides = {os.fspath(name) for name in self._sizes if is_temporary(name.name)}
        lines = (line for data in self._read(parts) for line in data.splitlines())
        self._entries, _ = read_lines(lines, asides)
        self.sweep()

    def status(self, target: Path) -> os.stat_result | None:
        """Look at a result, as the folder was when this began; its time is 0."""
        size = self._sizes.get(self._name(target))
        return None if size is None else os.stat_result((0,) * 6 + (size, 0, 0, 0))

    def find(self, target: Path) -> Entry | None:
        """Give the last entry of a result, by its path."""
        return self._entries.get(os.fspath(self._name(target)))

    def append(
        self,
        target: Path,
        source: Source,
        identity: Identity,
        written: Path | None,
        replaced: Stamp | None,
        facts: Mapping[str, object],
    ) -> None:
        """Add a line that a result is done, to be written by `flush`; see `Manifest.append`."""
        stamp = None
        if written is not None:
            with told(target, "written"):
                stamp = Stamp(written.stat().st_size, 0.0)
            facts = {**facts, "aside": os.fspath(self._name(written))}
        name = os.fspath(self._name(target))
        self._waiting.append(spell_line(name, source, identity, stamp, replaced, facts))

    def flush(self) -> None:
        """Write the lines that were added."""
        if self._waiting:
            self._number += 1
            part = self.folder / f"{NAME}.{self._number:09}"
            with told(part, "written"):
                file_system(self.folder).makedirs(key(self.folder), exist_ok=True)
                file_system(part).pipe_file(key(part), "".join(self._waiting).encode())
            self._waiting.clear()

    def sweep(self) -> None:
        """Remove the files aside that runs left behind."""
        for name in [name for name in self._sizes if is_temporary(name.name)]:
            with told(self.folder / os.fspath(name), "removed"):
                file_system(self.folder).rm_file(key(self.folder / os.fspath(name)))
            del self._sizes[name]

    def close(self) -> None:
        """Gather all lines in one file, and remove what was left aside."""
        file_system(self.folder).invalidate_cache()
        self._sizes = files_below(self.folder)
        self.sweep()
        parts = self._parts()
        if parts in ([], [PurePosixPath(NAME)]):
            return
        whole = self.folder / NAME
        aside = temporary_beside(whole)
        with told(whole, "written"):
            with file_system(aside).open(key(aside), "wb") as file:
                for data in self._read(parts):
                    file.write(data)
            move(aside, whole)
            # The oldest first: what a kill leaves are then lines that count.
            for part in parts:
                if part.name != NAME:
                    file_system(whole).rm_file(key(self.folder / part.name))

    def _parts(self) -> list[PurePosixPath]:
        """Name the files of lines, in order."""
        part = re.compile(re.escape(NAME) + r"(\.[0-9]{9,})?")  # and no copy that somebody made
        names = (name for name in self._sizes if part.fullmatch(os.fspath(name)))
        return sorted(names, key=os.fspath)

    def _read(self, parts: Iterable[PurePosixPath]) -> Iterator[bytes]:
        names = iter([key(self.folder / os.fspath(part)) for part in parts])
        while some := list(islice(names, _AT_ONCE)):
            with told(self.folder / NAME, "read"):
                yield from file_system(self.folder).cat_ranges(some, 0, None, on_error="raise")

    def _name(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self.folder).as_posix())
