"""Datasets on disk by name: their pairs of pictures, split by split."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccnet.datasets.catalogue import LAYOUTS, SPLITS, Folders, Layout
from ccnet.datasets.listing import Disk
from ccnet.datasets.lists import find_lists, read_csv, read_list
from ccnet.datasets.matching import Found, Problem, pair_folders
from ccnet.datasets.naming import leading_number, natural_order, stem_of
from ccnet.datasets.pairs import Pair
from ccnet.datasets.splits import hold_out
from ccnet.errors import DatasetError

Parts = Mapping[str, Callable[[], Found]]
"""What a dataset's folder holds: "train", "validation", "test", or "all" where it has no splits."""


def find_pairs(
    dataset: str,
    path: Path,
    split: str,
    *,
    targets: Path | None = None,
    held_out: float = 0.05,
) -> list[Pair]:
    """List the pairs of one split of a dataset, sorted by name.

    The dataset's own splits count. Where it has none for validation, whole scenes are held out of
    those for training, the same at every call; where it has no splits at all, all pairs are for
    testing too.

    Args:
        dataset: A key of LAYOUTS.
        path: The dataset's folder, the one above, or the split's own; for "csv" the file.
        split: "train", "validation" or "test".
        targets: For "folders" the folder of targets, and for nothing else.
        held_out: The share of scenes held out for validation, from 0 (none) to below 1.

    Raises:
        DatasetError: There is no such dataset, folder or split, the folder is not of the layout, or
            a picture has no partner; the message is one sentence.
    """
    if split not in SPLITS:
        raise DatasetError(f"split={split} is none of {', '.join(SPLITS)}.")
    if not 0 <= held_out < 1:
        raise DatasetError(f"held_out={held_out} must be from 0 to below 1.")
    parts = find_parts(dataset, path, targets=targets)
    part = _part_of(parts, split)
    if part is None:
        there = " and ".join(other for other in SPLITS if _part_of(parts, other))
        raise DatasetError(f"{dataset} in {path} has no split {split}, only {there}.")
    found = parts[part]()
    faults = [problem for problem in found.problems if not problem.warning]
    if faults:
        more = f", the first of {len(faults)} problems" if len(faults) > 1 else ""
        raise DatasetError(
            f"{faults[0].message.removesuffix('.')}{more}; "
            f"{check_command(dataset, path, targets)} lists all."
        )
    pairs = found.pairs
    if split == "validation" and "validation" not in parts and not held_out:
        raise DatasetError(
            f"{dataset} in {path} has no split for validation, and held_out=0 holds none out of "
            "the rest; give it a share above 0."
        )
    if split != "test" and "validation" not in parts:
        training, validation = hold_out(pairs, held_out)
        if pairs and held_out and not validation:
            raise DatasetError(
                f"All pairs of {path} to train on are of one scene, so none can be held out for "
                "validation; add others."
            )
        pairs = training if split == "train" else validation
    if not pairs:
        raise DatasetError(f"{dataset} in {path} holds no pairs for {split}.")
    return sorted(pairs, key=lambda pair: natural_order(pair.name))


def check_command(dataset: str, path: Path, targets: Path | None) -> str:
    """The command that tells all that is wrong with a dataset, to be pasted into a shell."""
    return shlex.join(
        ["ccnet", "data", "check", dataset, str(path), *([str(targets)] if targets else [])]
    )


def find_layout(dataset: str) -> Layout:
    """Look up a dataset by name. Raises DatasetError, with the nearest name there is."""
    if dataset in LAYOUTS:
        return LAYOUTS[dataset]
    close = _called(dataset) or difflib.get_close_matches(dataset.lower(), LAYOUTS, n=1)
    hint = f"did you mean {' or '.join(close)}?" if close else f"use {', '.join(LAYOUTS)}."
    raise DatasetError(f"{dataset} is no dataset; {hint}")


def find_parts(dataset: str, path: Path, *, targets: Path | None = None) -> Parts:
    """Find what a dataset's folder holds; each part is read when it is called.

    Raises:
        DatasetError: As from `find_pairs`, for what is not there at all.
    """
    layout = find_layout(dataset)
    if (targets is not None) != (dataset == "folders"):
        raise DatasetError(
            "folders needs two: those of the degraded pictures and of their targets."
            if targets is None
            else f"{dataset} takes one path, not {targets} too; two are for folders."
        )
    disk = Disk()
    if dataset == "csv":
        read = read_csv(path)
        if not read:
            raise DatasetError(f"{path} lists no pairs.")
        return {part: partial(_as_it_is, found) for part, found in read.items()}
    for folder in (path, targets):
        if folder is not None and (fault := disk.listing(folder).fault):
            raise DatasetError(f"{folder} is not a folder that can be read: {fault}.")
    if targets is not None:
        if path.samefile(targets):
            raise DatasetError(f"{path} and {targets} are the same folder; folders needs two.")
        stems = layout.targets
        return {"all": partial(pair_folders, disk, path, targets, stems=stems, subfolders=True)}
    if layout.lists:
        _refuse_other(dataset, Path(os.path.abspath(path)))  # noqa: PTH100 - as in _locate
        parts: Parts = {
            split: partial(read_list, file, path, layout.scene)
            for split, file in find_lists(disk, path, layout.lists).items()
        }
    else:
        parts = _by_number(layout, _locate(disk, dataset, layout, path))
    if not parts:
        expected = ", ".join(layout.sketch.splitlines())
        raise DatasetError(
            f"{path} does not look like {dataset}, which has {expected}; see ccnet data list "
            f"{dataset}."
        )
    return parts


def _part_of(parts: Parts, split: str) -> str | None:
    """Tell which part a split is, or is held out of."""
    held_in = {"validation": ("validation", "train", "all"), "train": ("train", "all")}
    options = held_in.get(split, ("test", "all"))
    return next((part for part in options if part in parts), None)


def _locate(disk: Disk, dataset: str, layout: Layout, path: Path) -> Parts:
    """Find a layout's folders in a path, around it where it is one of them, or one level below."""
    here = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would lose the name of a link
    if parts := _parts_in(disk, layout, path):
        _refuse_other(dataset, here)
        return parts
    if parts := _parts_in(disk, layout, here.parent, within=here):
        _refuse_other(dataset, here.parent)
        return parts
    below = {
        name: parts
        for name in disk.listing(path).folders
        if (parts := _parts_in(disk, layout, path / name))
    }
    others = [name for name in below if dataset not in (_datasets_of(here / name) or [dataset])]
    if below and len(others) == len(below):
        _refuse_other(dataset, here / others[0])
    below = {name: parts for name, parts in below.items() if name not in others}
    usual = [name for name in below if name.lower() in layout.folders]
    if len(below) > 1 and len(usual) != 1:
        raise DatasetError(
            f"{path} holds several folders that look like {dataset}, {' and '.join(below)}; name "
            "the one to use."
        )
    return next((below[name] for name in usual or below), {})


def _refuse_other(dataset: str, folder: Path) -> None:
    """Raise DatasetError where a folder is by its name another dataset, which may look the same."""
    named = _datasets_of(folder)
    if named and dataset not in named:
        raise DatasetError(
            f"{folder} is by its name {' or '.join(named)} and not {dataset}; name the folder of "
            f"{dataset}, or rename this one."
        )


def _datasets_of(folder: Path) -> list[str]:
    """List the datasets that a folder is usually called as, with the one above where it is told."""
    named = _called(folder.name)
    above = _called(folder.parent.name)
    return [name for name in named if name in above] or named


def _called(folder: str) -> list[str]:
    return [name for name, layout in LAYOUTS.items() if folder.lower() in layout.folders]


@dataclass(frozen=True)
class _Place:
    """A folder of degraded pictures, and that of their targets, or how it should be called.

    `stars` are what the `*` in the pattern of the first stood for.
    """

    degraded: Path
    target: Path | None
    wanted: str
    stars: tuple[str, ...]


def _parts_in(disk: Disk, layout: Layout, root: Path, within: Path | None = None) -> Parts:
    """Find a layout's folders in a root, only those `within` one of them where that is given."""
    parts: dict[str, Callable[[], Found]] = {}
    partial_parts: dict[str, Callable[[], Found]] = {}
    for split, ways in layout.splits.items():
        for folders in ways:
            places = _places(disk, layout, folders, root, within)
            if any(place.target for place in places):
                parts[split] = partial(_read, disk, layout, root, places)
                break
            if places:
                partial_parts.setdefault(split, partial(_read, disk, layout, root, places))
    if parts:  # what has no targets is told of where it is sure what the folder is
        parts = partial_parts | parts
    if len(parts) > 1:
        parts.pop("all", None)
    return {part: parts[part] for part in (*SPLITS, "all") if part in parts}


def _places(
    disk: Disk, layout: Layout, folders: Folders, root: Path, within: Path | None
) -> list[_Place]:
    places = []
    for degraded, stars in disk.matching(root, folders.degraded):
        if within is not None and within != degraded and within not in degraded.parents:
            continue
        target = next((path for path, _ in disk.matching(root, folders.target, stars)), None)
        if target == degraded and not _is_mixed(disk, layout, degraded):
            continue
        wanted = folders.target.rpartition("/")[2].replace("|", " or ")
        places.append(_Place(degraded, target, wanted, stars))
    return places


def _is_mixed(disk: Disk, layout: Layout, folder: Path) -> bool:
    """Whether a folder holds pictures whose targets are called otherwise, so that both can be."""
    stems = map(stem_of, disk.listing(folder).pictures)
    return any(layout.targets(stem)[0] != stem for stem in stems)


def _read(disk: Disk, layout: Layout, root: Path, places: Sequence[_Place]) -> Found:
    found = Found()
    used = (folder for place in places for folder in (place.degraded, place.target) if folder)
    twins = {twin: folder for folder in used for twin, folder in disk.twins(root, folder).items()}
    for twin, folder in twins.items():
        fault = f"{twin} differs from {folder} in case alone; keep one of them."
        found.problems.append(Problem(twin, fault))
    for place in places:
        if place.target is None:
            fault = f"{place.degraded} has no folder of targets, {place.wanted}, that fits it."
            found.problems.append(Problem(place.degraded, fault))
            continue
        found.add(
            pair_folders(
                disk,
                place.degraded,
                place.target,
                stems=layout.targets,
                prefix="".join(f"{star}/" for star in place.stars),
                scene=layout.scene,
                frame=layout.frame,
            )
        )
    return found


def _by_number(layout: Layout, parts: Parts) -> Parts:
    """Split pairs that are all in one folder by their numbers, where those for testing are there.

    Without them it is another choice of pictures, and all are kept together.
    """
    if "all" not in parts or not layout.numbered:
        return parts
    found = parts["all"]()
    numbers = [leading_number(pair.name) for pair in found.pairs]
    if not any(number in layout.numbered["test"] for number in numbers):
        return parts
    split_pairs: dict[str, list[Pair]] = {}
    for pair, number in zip(found.pairs, numbers, strict=True):
        split = next((name for name, known in layout.numbered.items() if number in known), "train")
        split_pairs.setdefault(split, []).append(pair)
    return {
        split: partial(_as_it_is, Found(split_pairs[split], found.problems, found.targets))
        for split in SPLITS
        if split in split_pairs
    }


def _as_it_is(found: Found) -> Found:
    return found
