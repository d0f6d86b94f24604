"""Which files a list of inputs means, and where each of them goes."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccnet.errors import PictureError, UsageError, reason_of
from ccnet.images.formats import (
    FORMATS,
    NAMES,
    OTHER_SUFFIXES,
    format_named,
    format_of_suffix,
)
from ccnet.runs.stores import files_below, is_remote, locate, told

MARK = "-restored"
"""Put behind a file's name where no other place for the result is named."""

COMPARISON = "-compare"
"""Put behind the name of a result for its comparison with the source, a PNG."""

_LONGEST_NAME = 255
"""Bytes of a file's name that file systems hold."""

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
"""Suffixes of videos; results of the last are Matroska, for AVI cannot hold what others do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file: restore `source` into `target`, unless `fault` says why that cannot be.

    `folder` is where the manifest is that has its result, if there is one, and `comparison` where
    source and result side by side are to go, if that is wanted.
    """

    source: Path
    target: Path
    fault: str | None = None
    folder: Path | None = None
    comparison: Path | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, with its place below OUT, or the reason why an input gives none.

    `folder` is the one that was named, where it was found in one.
    """

    path: Path
    place: Path
    fault: str | None = None
    folder: Path | None = None


def plan(
    inputs: Sequence[str],
    output: Path | None,
    format: str | None,  # noqa: A002
    compare: bool = False,
) -> list[Job]:
    """Lay out what to restore into what, without reading or writing any file.

    Inputs are files, folders and globs, or addresses of fsspec's files and folders. A folder gives
    the files with a picture's or a video's suffix in it and its subfolders, in order of their
    names. Hidden files and folders are left out, links to folders are not followed, and what an
    earlier run has written is not taken again: what
    lies below `output`, and NAME-restored and its comparison beside a NAME. A file named twice is
    taken once. Results have a manifest in `output`, or else in the folder that was named, but not a
    single file's, or those of files that were named without `output`.

    Args:
        inputs: As above.
        output: A file if it has such a suffix and is no folder, else a folder, in which files of
            folders keep their place. If None, each result stands beside its source as
            NAME-restored.
        format: Such as "png", which gives results that are pictures its suffix; if None, they keep
            their own.
        compare: Whether pictures get comparisons, too: NAME-compare.png, or where that is taken
            NAME.SUFFIX-compare.png.

    Returns:
        A job for each file, and one with a fault for each input that gives none. Where a result
        would take the place of another one or of an input, the later job has a fault.

    Raises:
        UsageError: There is no such format, or one file is named for several pictures or by
            another format's suffix, or its comparison would take the input's place.
    """
    suffix = _suffix(format)
    if output is not None and output.suffix.lower() in OTHER_SUFFIXES and not _is_folder(output):
        raise UsageError(
            f"{output} cannot be written: {output.suffix} is no suffix of a format that can be."
        )
    into_file = output is not None and _is_file(output)
    skipped = None if into_file else output
    found: dict[str, _Found] = {}
    for text in inputs:
        for file in _find(text, skipped):
            found.setdefault(absolute(file.path), file)
    if output is not None and into_file:
        if len(found) > 1 or any(_is_folder(locate(text)) for text in inputs):
            raise UsageError(f"{output} is one file, and several results need a folder.")
        if is_video(output):
            found = {source: _as_video(file, output) for source, file in found.items()}
        comparison = _comparison(output, compare, {})
        if comparison is not None and absolute(comparison) in found:
            raise UsageError(f"{comparison} is the input; name another output for --compare.")
        return [
            Job(file.path, output, file.fault, comparison=comparison) for file in found.values()
        ]

    jobs: list[Job] = []
    results: dict[str, Path] = {}
    several = len(found) > 1 or any(file.folder for file in found.values())
    for source, file in found.items():
        fault = file.fault
        target = file.path if fault else _target(file, output, suffix)
        comparison = None if fault else _comparison(target, compare, results)
        for written in (target, comparison):
            if written is None:
                continue
            place = absolute(written)
            if not fault and place != source and place in found:
                fault = f"{file.path} is not restored: its result, {written}, is an input too."
            if not fault and results.setdefault(place, file.path) != file.path:
                fault = f"{file.path} is not restored: {written} is the result of {results[place]}."
        folder = file.folder if output is None else output if several else None
        jobs.append(Job(file.path, target, fault, folder, comparison))
    return jobs


def passed_over(inputs: Sequence[str]) -> Counter[str]:
    """Count pictures of other formats in folders that are named, by their suffixes."""
    found: Counter[str] = Counter()
    for folder in inputs:
        for _, folders, names in () if is_remote(locate(folder)) else os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            seen = [Path(name).suffix.lower() for name in names if not name.startswith(".")]
            found.update(suffix for suffix in seen if suffix in OTHER_SUFFIXES)
    return found


def _as_video(file: _Found, output: Path) -> _Found:
    if file.fault or is_video(file.path):
        return file
    return replace(file, fault=f"{file.path} is not restored: {output} is called a video.")


def _comparison(target: Path, compare: bool, results: Mapping[str, Path]) -> Path | None:
    """Give the place of a result's comparison, if wanted; `results` are places that are taken."""
    if not compare or is_video(target):
        return None
    short = _named_comparison(target, target.stem)
    return short if absolute(short) not in results else _named_comparison(target, target.name)


def _named_comparison(target: Path, name: str) -> Path:
    """Name a comparison; long names are cut to fit."""
    ending = f"{COMPARISON}.png"
    kept = os.fsencode(name)[: _LONGEST_NAME - len(ending)].decode(errors="surrogateescape")
    return target.with_name(kept + ending)


def find_pictures(folder: Path) -> list[Path]:
    """List the pictures that `plan` finds in a folder, by their paths below it.

    Raises PictureError where a folder in it cannot be read.
    """
    found = list(_walk(folder, None))
    for fault in filter(None, (file.fault for file in found)):
        raise PictureError(fault)
    return [file.place for file in found if not is_video(file.path)]


def _find(text: str, skipped: Path | None) -> Iterator[_Found]:
    """List the files that one input means; `skipped` is a folder of results below it."""
    path = locate(text)
    if is_remote(path):
        try:
            found = list(_walk_store(path, skipped))
        except PictureError as error:
            found = [_Found(path, Path(path.name), str(error))]
    elif _is_folder(path):
        found = list(_walk(path, skipped))
    elif os.path.lexists(path) or not glob.has_magic(text):
        missing = None if os.path.lexists(path) else f"{text} is not there."
        yield _Found(path, Path(path.name), missing)
        return
    else:
        found = list(_match(text, skipped))
    if not found:
        yield _Found(
            path, path, f"{text} gives no file that is called a {NAMES} picture or a video."
        )
    stems = {file.path.with_suffix("") for file in found if not file.fault}
    for file in found:
        if file.fault:  # of which some have no name, as . and /
            yield file
            continue
        stem = file.path.with_suffix("")
        name = stem.name.removesuffix(COMPARISON)
        if name != stem.name and format_of_suffix(Path(name)) is not None:
            name = Path(name).stem
        original = name.removesuffix(MARK)
        if original in ("", name) or stem.with_name(original) not in stems:
            yield file


def _walk(folder: Path, skipped: Path | None) -> Iterator[_Found]:
    faults: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=faults.append):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and (skipped is None or absolute(here / name) != absolute(skipped))
        )
        for name in sorted(names):
            if _is_wanted(here / name):
                yield _Found(here / name, (here / name).relative_to(folder), folder=folder)
    for error in faults:
        path = Path(error.filename)
        yield _Found(path, path, f"{path} cannot be read: {reason_of(error)}.")


def _walk_store(path: Path, skipped: Path | None) -> Iterator[_Found]:
    below = ""
    if skipped is not None and _is_below(skipped, path):
        below = absolute(skipped).rstrip("/") + "/"
    places = files_below(path)
    if not places and _is_known(path):
        yield _Found(path, Path(path.name))
    for place in places:
        file = path / os.fspath(place)
        hidden = any(part.startswith(".") for part in place.parts)
        if _is_known(file) and not hidden and not (below and absolute(file).startswith(below)):
            yield _Found(file, Path(place), folder=path)


def _match(pattern: str, skipped: Path | None) -> Iterator[_Found]:
    parts = Path(pattern).parts
    root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), parts))
    if skipped is not None and not _is_below(skipped, root):
        skipped = None
    for match in sorted(set(_expand(pattern))):
        path = Path(match)
        below_skipped = skipped is not None and _is_below(path, skipped)
        if _is_wanted(path) and not below_skipped and not _is_folder(path):
            yield _Found(path, path.relative_to(root), folder=root)


def _expand(pattern: str) -> Iterator[str]:
    """Give what a glob matches, whose ** goes into no links to folders, which may lead in rings."""
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from glob.glob(pattern)  # noqa: PTH207 - takes absolute ones too
        return
    first = parts.index("**")
    below = parts[first + 1 :] or ("*",)
    for start in glob.glob(str(Path(*parts[:first]))):  # noqa: PTH207
        for folder, folders, _ in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from _expand(str(Path(glob.escape(folder), *below)))


def is_video(path: Path) -> bool:
    """Whether a file is called a video."""
    return path.suffix.lower() in VIDEOS


def _is_wanted(path: Path) -> bool:
    return _is_known(path) and not path.name.startswith(".")


def _is_file(output: Path) -> bool:
    return _is_known(output) and not _is_folder(output)


def _is_folder(path: Path) -> bool:
    if is_remote(path):
        with told(path, "read"):
            return path.is_dir()
    return os.path.isdir(path)  # noqa: PTH112 - the other one fails for what cannot be looked at


def _is_known(path: Path) -> bool:
    return is_video(path) or format_of_suffix(path) is not None


def _is_below(path: Path, folder: Path) -> bool:
    return Path(absolute(folder)) in Path(absolute(path)).parents


def absolute(path: Path) -> str:
    """Spell a path so that equal ones are equal."""
    if is_remote(path):
        return str(path)
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would take two links to a file for one


def _suffix(format: str | None) -> str | None:  # noqa: A002
    if format is None:
        return None
    name = format_named(format)
    if name is None:
        raise UsageError(f"format={format} is none of {', '.join(FORMATS)}.")
    return FORMATS[name].suffixes[0]


def _target(file: _Found, output: Path | None, suffix: str | None) -> Path:
    mark = MARK if output is None else ""
    target = file.path if output is None else output / file.place
    if is_video(target):
        own = ".mkv" if target.suffix.lower() == ".avi" else target.suffix
        return target.with_name(target.stem + mark + own)
    known = format_of_suffix(target)
    stem, own = (target.stem, target.suffix) if known else (target.name, "")
    if suffix is not None and format_of_suffix(Path(suffix)) != known:
        own = suffix
    return target.with_name(stem + mark + own)
