"""What is done of a folder: JSON lines beside the results, one for each, that are only appended.

A line is written before its result is moved into place. So after a kill at any moment a result that
is there has its line, and a line whose result is not there means nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ccnet.errors import PictureError, reason_of
from ccnet.placing import hold
from ccnet.recognition import CLEAR
from ccnet.restoration.results import make_folder
from ccnet.runs.request import Identity
from ccnet.weights.hub import sha256

NAME = ".ccnet-manifest.jsonl"

_SECONDS = 2.0
"""By which the time of a file that nobody changed may differ: FAT keeps no finer one."""

_NO_LINE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading something else as a line of a manifest raises."""


class Source(NamedTuple):
    """A file that is restored: its size, its time of change in nanoseconds, and its SHA-256."""

    bytes: int
    changed: int
    sha256: str


class Stamp(NamedTuple):
    """A result's size and its time of change in seconds."""

    bytes: int
    time: float


class Entry(NamedTuple):
    """A line as far as it is looked at again.

    Attributes:
        source: What was restored.
        identity: And how, as `spell` has it.
        result: None where nothing was written.
        replaced: What was in the result's place before.
        clear: Whether it was taken for clear.
        missing: What is not in the result, for the source was cut or damaged.
    """

    source: Source
    identity: str
    result: Stamp | None
    replaced: Stamp | None
    clear: bool
    missing: str | None = None

    def is_intact(self, status: os.stat_result) -> bool:
        """Whether a result is as it was written."""
        if self.result is None or status.st_size != self.result.bytes:
            return False
        return abs(status.st_mtime - self.result.time) <= _SECONDS

    def is_before(self, status: os.stat_result) -> bool:
        """Whether a result is still what was to be replaced."""
        return stamp(status) == self.replaced != self.result


class Manifest:
    """The manifest of a folder, which it holds until it is closed, so that no other run does.

    Raises `PictureError` where it cannot be read or written, or another run holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        make_folder(folder)
        try:
            self._file = self.path.open("ab", buffering=0)
            if not hold(self._file):
                self._file.close()
                raise PictureError(f"{folder} is being written to by another run; let it end.")
            with self.path.open("rb") as file:
                self._entries, self._cut = read_lines(file)
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Let others have it; one without a line is removed."""
        with self._file, suppress(OSError):
            if not self.path.stat().st_size:
                self.path.unlink()

    def find(self, target: Path) -> Entry | None:
        """Give the last entry of a result, by its path."""
        return self._entries.get(self._key(target))

    def append(
        self,
        target: Path,
        source: Source,
        identity: Identity,
        written: Path | None,
        replaced: Stamp | None,
        facts: Mapping[str, object],
    ) -> None:
        """Write that a result is done.

        Args:
            target: Where it goes.
            source: What it was made of.
            identity: And how.
            written: The temporary file in which it stands yet; None where nothing is written.
            replaced: What is there.
            facts: What else readers may want to know, by names that are none of the above.
        """
        result = None if written is None else stamp(written.stat())
        line = spell_line(self._key(target), source, identity, result, replaced, facts)
        data = b"\n" * self._cut + line.encode()
        self._cut = True  # until all of it is there
        try:
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._fault(error) from error
        self._cut = False

    def flush(self) -> None:
        """Do nothing: lines are written as they are added."""

    def _key(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()

    def _fault(self, error: OSError) -> PictureError:
        return PictureError(f"{self.path} cannot be written: {reason_of(error)}.")


def owner_of(folder: Path | None) -> str:
    """Name whose temporary files are those of results with a manifest in a folder.

    The runs that have it are told from those with another one above or below, which may write to
    the same folders at the same time. Results without a manifest are nobody's.
    """
    if folder is None:
        return ""
    return hashlib.sha256(os.fsencode(os.path.realpath(str(folder)))).hexdigest()[:8]


def spell_line(
    name: str,
    source: Source,
    identity: Identity,
    result: Stamp | None,
    replaced: Stamp | None,
    facts: Mapping[str, object],
) -> str:
    """Spell the line of a result that is named by its path below the manifest's folder."""
    line = {
        "result": name,
        "written": result and result._asdict(),
        "replaced": replaced and replaced._asdict(),
        "source": source._asdict(),
        "options": identity,
        **facts,
    }
    return json.dumps(line) + "\n"


def read_lines(
    lines: Iterable[bytes], asides: Container[str] = ()
) -> tuple[dict[str, Entry], bool]:
    """Give the last entry of each result, and whether the last line was cut.

    Lines whose results still stand in one of the files `asides` are passed over.
    """
    entries: dict[str, Entry] = {}
    identities: dict[str, str] = {}
    line = b"\n"
    for line in lines:
        with suppress(*_NO_LINE):  # it was cut, or is of someone else
            told = json.loads(line)
            if told.get("aside") not in asides:
                key, entry = _entry(told)
                identity = identities.setdefault(entry.identity, entry.identity)
                entries[key] = entry._replace(identity=identity)
    return entries, not line.endswith(b"\n")


def _entry(told: dict[str, Any]) -> tuple[str, Entry]:
    result, replaced = (
        each and Stamp(int(each["bytes"]), float(each["time"]))
        for each in (told["written"], told["replaced"])
    )
    identity, clear = spell(told["options"]), told.get("kind") == CLEAR
    source, missing = Source(**told["source"]), told.get("missing")
    return told["result"], Entry(source, identity, result, replaced, clear, missing)


def spell(identity: Identity) -> str:
    """Spell an identity so that equal ones are equal."""
    return json.dumps(identity, sort_keys=True)


def stamp(status: os.stat_result) -> Stamp:
    """Give the stamp of a file."""
    return Stamp(status.st_size, status.st_mtime)


def is_same(source: Source, path: Path, status: os.stat_result) -> bool:
    """Whether a file is what it was, by its content where its time is another, or 0 for none.

    Raises OSError.
    """
    if status.st_size != source.bytes:
        return False
    return status.st_mtime_ns == source.changed != 0 or sha256(path) == source.sha256


def inspect(path: Path) -> Source:
    """Read a file for its entry; raises OSError."""
    status = path.stat()
    return Source(status.st_size, status.st_mtime_ns, sha256(path))
