"""Folders as they are on disk: what they hold, and which of them a pattern means."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path

from ccnet.datasets.naming import is_picture_name
from ccnet.errors import reason_of

_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by name, each sorted; `fault` tells why it cannot be listed."""

    folders: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    fault: str | None = None


class Disk:
    """Folders, each of which is listed once; hidden files are not there."""

    def __init__(self) -> None:
        self._listings: dict[Path, Listing] = {}

    def listing(self, folder: Path) -> Listing:
        """What a folder holds, itself; a link counts as what it leads to."""
        if folder not in self._listings:
            self._listings[folder] = _listing(folder)
        return self._listings[folder]

    def below(self, folder: Path) -> list[tuple[Path, str, Listing]]:
        """List a folder and all in it: each one's path, its way from `folder`, and content."""
        found: list[tuple[Path, str, Listing]] = []
        seen: set[str] = set()
        waiting = [(folder, "")]
        while waiting:
            path, way = waiting.pop()
            real = os.path.realpath(path)
            if real in seen:  # a link that leads back would go on forever
                continue
            seen.add(real)
            listing = self.listing(path)
            found.append((path, way, listing))
            waiting += [(path / name, f"{way}{name}/") for name in reversed(listing.folders)]
        return found

    def twins(self, root: Path, folder: Path) -> dict[Path, Path]:
        """Find folders that differ in case alone from one on the way from a root, with that one."""
        way = [place for place in (folder, *folder.parents) if root in place.parents]
        return {
            place.with_name(name): place
            for place in way
            for name in self.listing(place.parent).folders
            if name != place.name and name.lower() == place.name.lower()
        }

    def matching(
        self, root: Path, pattern: str, stars: tuple[str, ...] | None = None
    ) -> list[tuple[Path, tuple[str, ...]]]:
        """List the folders that a pattern of the catalogue means, with what its `*` stand for.

        Where `stars` are given, the `*` stand for these names and no others.
        """
        given = None if stars is None else iter(stars)
        found: list[tuple[Path, tuple[str, ...]]] = [(root, ())]
        for part in pattern.split("/"):
            if part == ".":
                continue
            if given is not None and _is_wild(part):
                name = next(given, None)
                found = [(path / name, ()) for path, _ in found] if name else []
                continue
            found = [
                (path / name, names)
                for path, seen in found
                for name, names in self._matches(path, part, seen)
            ]
        return found

    def _matches(
        self, folder: Path, part: str, stars: tuple[str, ...]
    ) -> list[tuple[str, tuple[str, ...]]]:
        names = self.listing(folder).folders
        for wanted in part.split("|"):
            matches = [name for name in names if fnmatch.fnmatchcase(name.lower(), wanted)]
            if matches:
                wild = _is_wild(wanted)
                return (
                    [(name, (*stars, name)) for name in matches] if wild else [(matches[0], stars)]
                )
        return []


def _is_wild(part: str) -> bool:
    return "*" in part or "[" in part


def _listing(folder: Path) -> Listing:
    folders, pictures, others = [], [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _IGNORED:
                    continue
                link = entry.is_symlink()  # which may lead nowhere, and is then told when read
                if entry.is_dir(follow_symlinks=False) or (link and _is_folder(entry)):
                    folders.append(entry.name)
                elif is_picture_name(entry.name) and (link or entry.is_file()):
                    pictures.append(entry.name)
                else:
                    others.append(entry.name)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        return Listing(fault=reason_of(error))
    return Listing(tuple(sorted(folders)), tuple(sorted(pictures)), tuple(sorted(others)))


def _is_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be entered
        return False
