"""Degraded pictures and their targets in two folders, told to belong together by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ccnet.datasets.listing import Disk, Listing
from ccnet.datasets.naming import folded, stem_of
from ccnet.datasets.pairs import Pair
from ccnet.images.formats import NAMES


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a dataset: one sentence that names it.

    A warning keeps nobody from training.
    """

    path: Path
    message: str
    warning: bool = False


@dataclass
class Found:
    """Pairs, what is wrong with others, and all the targets there are, used or not."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    targets: set[Path] = field(default_factory=set)

    def add(self, other: Found) -> None:
        """Take in what was found elsewhere."""
        self.pairs += other.pairs
        self.problems += other.problems
        self.targets |= other.targets


def pair_folders(
    disk: Disk,
    degraded: Path,
    target: Path,
    *,
    stems: Callable[[str], tuple[str, ...]],
    prefix: str = "",
    scene: str = "",
    frame: int = 0,
    subfolders: bool = False,
) -> Found:
    """Pair the pictures of two folders, which may be the same one.

    Args:
        disk: Where folders are listed.
        degraded: The folder of degraded pictures.
        target: The folder of their targets.
        stems: Gives the stems that a target can have for a degraded picture's stem, the likeliest
            first. In a single folder, those that it gives another first stem are the degraded ones.
        prefix: Put before the pairs' names.
        scene: Regular expression whose group tells the scene from a pair's name; otherwise the
            target's subfolder is its scene, or its name where it has none.
        frame: Pixels that a target may have more on each side.
        subfolders: Whether pictures in the same subfolders of both belong together too.
    """
    found = Found()
    names = _names(disk, degraded, subfolders, found)
    if degraded == target:
        target_names = [name for name in names if _first(stems, name) == stem_of(name)]
        names = [name for name in names if _first(stems, name) != stem_of(name)]
    else:
        target_names = _names(disk, target, subfolders, found)
    index = _Index(target_names)
    if any(not problem.warning for problem in found.problems):
        return found  # without a folder's list, every picture would seem to lack its partner
    found.targets = {target / name for name in target_names}
    taken: dict[str, str] = {}
    for name in names:
        stem = stem_of(name)
        way, _, last = stem.rpartition("/")
        wanted = [f"{way}/{other}" if way else other for other in stems(last)]
        matches = index.find(wanted)
        if taken.setdefault(stem, name) != name:
            fault = f"has the same name as {degraded / taken[stem]}; keep one of them"
        elif not matches:
            fault = f"has no target: {_listed(wanted)} is not in {target}"
        elif len(matches) > 1:
            fault = f"has several targets, {_listed(matches, 'and')} in {target}; keep one"
            found.targets -= {target / match for match in matches}  # told of once is enough
        else:
            match = re.search(scene, prefix + stem) if scene else None
            other = stem_of(matches[0])
            shown = match[1] if match else other.rpartition("/")[0] or other
            pair = Pair(prefix + stem, degraded / name, target / matches[0], shown, frame)
            found.pairs.append(pair)
            continue
        found.problems.append(Problem(degraded / name, f"{degraded / name} {fault}."))
    return found


def unused_targets(found: Iterable[Found]) -> list[Problem]:
    """Warn of targets that no picture has."""
    parts = list(found)
    used = {pair.target for part in parts for pair in part.pairs}
    targets = {target for part in parts for target in part.targets}
    return [
        Problem(path, f"{path} is no picture's target.", warning=True)
        for path in sorted(targets - used)
    ]


class _Index:
    """Names of pictures by stem, as it is written or, where none is, as others may write it."""

    def __init__(self, names: Iterable[str]) -> None:
        self.exact: dict[str, list[str]] = defaultdict(list)
        self.loose: dict[str, list[str]] = defaultdict(list)
        for name in names:
            stem = stem_of(name)
            self.exact[stem].append(name)
            self.loose[folded(stem)].append(name)

    def find(self, stems: Iterable[str]) -> list[str]:
        matches: dict[str, None] = {}
        for stem in stems:
            matches |= dict.fromkeys(self.exact.get(stem) or self.loose.get(folded(stem)) or [])
        return list(matches)


def _names(disk: Disk, folder: Path, subfolders: bool, found: Found) -> list[str]:
    """List a folder's pictures, with the way to each, and note what else is in it."""
    content: list[tuple[Path, str, Listing]]
    content = disk.below(folder) if subfolders else [(folder, "", disk.listing(folder))]
    names = []
    for path, way, listing in content:
        if listing.fault:
            fault = f"{path} cannot be listed: {listing.fault}."
            found.problems.append(Problem(path, fault))
        for name in listing.others:
            ignored = f"{path / name} is left out: it is no file that is called a {NAMES} picture."
            found.problems.append(Problem(path / name, ignored, warning=True))
        names += [way + name for name in listing.pictures]
    return names


def _first(stems: Callable[[str], tuple[str, ...]], name: str) -> str:
    return stems(stem_of(name))[0]


def _listed(names: Iterable[str], word: str = "or") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
