"""Pairs named one by one in text files: a CSV of one's own, and the lists that RSBlur has."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ccnet.datasets.listing import Disk
from ccnet.datasets.matching import Found, Problem
from ccnet.datasets.naming import folded, stem_of
from ccnet.datasets.pairs import Pair
from ccnet.errors import DatasetError, reason_of

_COLUMNS = {"degraded", "target", "split", "scene"}
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
} | dict.fromkeys(("validation", "valid", "val"), "validation")


@dataclass(frozen=True)
class _Row:
    line: int
    degraded: Path
    target: Path
    name: str
    scene: str


def read_csv(path: Path) -> dict[str, Found]:
    """Read pairs from a CSV file with the columns degraded, target and, where wanted, split, scene.

    Paths are relative to the file's folder. Without the column split all pairs are in "all".

    Raises:
        DatasetError: The file cannot be read or has no such columns.
    """
    parts: dict[str, Found] = {}
    pairing = _Pairing(path)
    for line, cells in _rows(path):
        named = cells.get("split")
        split = "all" if named is None else _SPLITS.get(named.lower())
        found = parts.setdefault(split or "train", Found())
        degraded, target = cells["degraded"], cells["target"]
        if split is None:
            fault = f"has {named or 'nothing'} as its split; write train, validation or test"
        elif not degraded or not target:
            fault = "does not name both a degraded picture and its target"
        else:
            row = _Row(
                line=line,
                degraded=path.parent / degraded,
                target=path.parent / target,
                name=stem_of(_inner(degraded)),
                scene=cells.get("scene") or stem_of(_inner(target)),
            )
            pairing.add(row, found)
            continue
        found.problems.append(Problem(path, f"{path}, line {line}, {fault}."))
    return parts


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        # Names of files are bytes: what is no UTF-8 is carried through.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            if not {"degraded", "target"} <= set(header):
                raise DatasetError(
                    f"{path} does not begin with the columns degraded,target; see ccnet data list "
                    "csv."
                )
            for cells in reader:
                if any(cells):
                    values = dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
                    yield (
                        reader.line_num,
                        {key: value.strip() for key, value in values.items() if key in _COLUMNS},
                    )
    except csv.Error as error:
        raise DatasetError(f"{path} is no CSV file: {error}.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise DatasetError(f"{path} cannot be read as a CSV file: {reason_of(error)}.") from error


def find_lists(disk: Disk, path: Path, names: Mapping[str, str]) -> dict[str, Path]:
    """Look for list files, by split, in a dataset's folder, its datalist/, and beside it."""
    above = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow a link
    for folder in (path, *(path / name for name in disk.listing(path).folders), above):
        for place in (folder, *(found for found, _ in disk.matching(folder, "datalist/rsblur"))):
            files = {folded(name): place / name for name in disk.listing(place).others}
            lists = {split: files.get(folded(name)) for split, name in names.items()}
            if any(lists.values()):
                return {split: file for split, file in lists.items() if file is not None}
    return {}


def read_list(file: Path, root: Path, scene: str) -> Found:
    """Read pairs from a file with a target's and a degraded picture's path on each line.

    Raises:
        DatasetError: The file cannot be read.
    """
    try:
        text = file.read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {reason_of(error)}.") from error
    lines = [(at, line.split()) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = Found()
    pairing = _Pairing(file)
    base, skipped = _base(file, root, [parts[0] for _, parts in lines[:100]])
    for at, parts in lines:
        ways = [_inner(part).split("/")[skipped:] for part in parts]
        if len(ways) != 2 or not all(ways):
            fault = f"{file}, line {at}, does not name a target and a degraded picture."
            found.problems.append(Problem(file, fault))
            continue
        target, degraded = ways
        # All are called real_blur/real_blur.png: the two folders above are what tells them apart.
        name = "/".join(degraded[:-2][-2:]) or stem_of(degraded[-1])
        match = re.search(scene, f"{name}/")
        row = _Row(
            line=at,
            degraded=base.joinpath(*degraded),
            target=base.joinpath(*target),
            name=name,
            scene=match[1] if match else name,
        )
        pairing.add(row, found)
    return found


def _base(file: Path, root: Path, listed: list[str]) -> tuple[Path, int]:
    """Tell what a list's paths are relative to, and how many of their parts to leave out.

    They begin with the dataset's own folder, which may have been called something else since.
    """
    above = Path(os.path.abspath(root)).parent  # noqa: PTH100 - resolve() would follow a link
    for base in (root, above, *file.parents[:3]):
        for skipped in (0, 1):
            ways = ("/".join(_inner(path).split("/")[skipped:]) for path in listed)
            if any(way and os.path.exists(base / way) for way in ways):  # noqa: PTH110
                return base, skipped
    return root, 1


class _Pairing:
    """Turns the rows of one file into pairs, and tells of those that cannot be one."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.names: dict[str, _Row] = {}

    def add(self, row: _Row, found: Found) -> None:
        where = f"{self.file}, line {row.line},"
        missing = [path for path in (row.degraded, row.target) if not _is_file(path)]
        earlier = self.names.setdefault(row.name, row)
        if missing:
            fault = f"{where} names {missing[0]}, which is not there."
            found.problems.append(Problem(missing[0], fault))
        elif row.degraded == row.target:
            fault = f"{where} names {row.degraded} as its own target."
            found.problems.append(Problem(row.degraded, fault))
        elif earlier is not row:
            fault = (
                f"{where} names {row.degraded} again, or as line {earlier.line} but for the suffix."
            )
            found.problems.append(Problem(row.degraded, fault))
        else:
            found.pairs.append(Pair(row.name, row.degraded, row.target, row.scene))


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - the other one fails for names that are too long


def _inner(path: str) -> str:
    """A path without what leads out of its folder: a name that can be used below any folder."""
    parts = path.replace("\\", "/").split("/") if os.sep == "\\" else path.split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))
