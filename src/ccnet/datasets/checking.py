"""All that is wrong with a dataset on disk, found before anyone trains on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ccnet.datasets.catalogue import SPLITS
from ccnet.datasets.layouts import find_parts
from ccnet.datasets.matching import Found, Problem, unused_targets
from ccnet.datasets.naming import natural_order
from ccnet.datasets.pairs import Pair, size_fault
from ccnet.datasets.splits import hold_out
from ccnet.errors import PictureError
from ccnet.images import picture_size, read_picture
from ccnet.machine import processors

_AT_ONCE = 64

Size = tuple[int, int]
"""Width and height in pixels."""


class DatasetCheck:
    """A dataset's pairs, and what is wrong with it.

    Args:
        dataset: A key of LAYOUTS.
        path: As for `find_pairs`.
        targets: As for `find_pairs`.
        held_out: The share of scenes that training would hold out for validation.

    Attributes:
        splits: Pairs by split, sorted by name, as `find_pairs` gives them.
        pictures: Their files, each once.
        sizes: How many degraded pictures have a size, as far as `problems` has come.

    Raises:
        DatasetError: There is no such dataset, or it is not there at all.
    """

    def __init__(
        self, dataset: str, path: Path, *, targets: Path | None = None, held_out: float = 0.05
    ) -> None:
        self.path = path
        self.found = {
            part: read() for part, read in find_parts(dataset, path, targets=targets).items()
        }
        self.splits = _splits(self.found, held_out)
        self.pictures = files_of(pair for found in self.found.values() for pair in found.pairs)
        self.sizes: Counter[Size] = Counter()

    def problems(
        self, *, quick: bool = False, progress: Callable[[int], object] | None = None
    ) -> Iterator[Problem]:
        """Tell all problems, one after another, the pictures' as they are read.

        Args:
            quick: Whether to read only headers, and so to miss pictures that are cut short.
            progress: Called with the number of `pictures` that are done.
        """
        yield from dict.fromkeys(p for found in self.found.values() for p in found.problems)
        yield from self._of_splits()
        pairs = [pair for found in self.found.values() for pair in found.pairs]
        yield from picture_problems(pairs, quick=quick, sizes=self.sizes, progress=progress)
        yield from unused_targets(self.found.values())

    def summary(self) -> str:
        """Count pairs and scenes by split, and tell the degraded pictures' sizes, in one line."""
        counts = [
            f"{split} {counted(len(pairs), 'pair')} of "
            f"{counted(len({pair.scene for pair in pairs}), 'scene')}"
            for split, pairs in self.splits.items()
        ]
        by_area = sorted(self.sizes, key=lambda size: size[0] * size[1])
        ends = dict.fromkeys((by_area[0], by_area[-1]))
        sizes = " to ".join(f"{width} by {height}" for width, height in ends)
        return f"{', '.join(counts)}; {sizes} pixels"

    def _of_splits(self) -> Iterator[Problem]:
        for part, found in self.found.items():
            if not found.pairs:
                split = "" if part == "all" else f" for {part}"
                yield Problem(self.path, f"{self.path} holds no pairs{split}.")
        whole = self.found.get("train") or self.found.get("all")
        if whole and "validation" not in self.found and len({p.scene for p in whole.pairs}) == 1:
            left = "validation looks like the rest"
            if "validation" not in self.splits:
                left = "none is held out for validation"
            alone = f"All pairs of {self.path} to train on are of one scene, so {left}."
            yield Problem(self.path, alone, warning=True)
        first: dict[Path, str] = {}
        for part, found in self.found.items():
            for path in files_of(found.pairs):
                if first.setdefault(path, part) != part:
                    both = f"{path} is in {first[path]} and in {part}."
                    yield Problem(path, both, warning=True)


def files_of(pairs: Iterable[Pair]) -> list[Path]:
    """List the pictures of pairs, each file once."""
    return list(dict.fromkeys(p for pair in pairs for p in (pair.degraded, pair.target)))


def picture_problems(
    pairs: Sequence[Pair],
    *,
    quick: bool = False,
    sizes: Counter[Size] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Problem]:
    """Tell which pictures of pairs cannot be decoded or differ in size from their partners.

    Args:
        pairs: Whose pictures are read.
        quick: Whether to read only headers, and so to miss pictures that are cut short.
        sizes: Counts the sizes of the degraded pictures.
        progress: Called with the number of files that are done.
    """
    known: dict[Path, Size] = {}
    waiting: dict[Path, list[Pair]] = {}
    for pair in pairs:
        waiting.setdefault(pair.degraded, []).append(pair)
        waiting.setdefault(pair.target, []).append(pair)
    for done, (path, measured) in enumerate(_measured(files_of(pairs), quick), 1):
        if isinstance(measured, Problem):
            yield measured
        else:
            known[path] = measured
        for pair in waiting.pop(path):
            if path == pair.degraded and path in known and sizes is not None:
                sizes[known[path]] += 1
            if pair.degraded in known and pair.target in known:
                fault = size_fault(pair, known[pair.degraded], known[pair.target])
                if fault:
                    yield Problem(pair.degraded, fault)
        if progress is not None:
            progress(done)


def _splits(found: dict[str, Found], held_out: float) -> dict[str, list[Pair]]:
    splits = {part: found[part].pairs for part in SPLITS if part in found}
    whole = found["all"].pairs if "all" in found else splits.get("train")
    if whole and "validation" not in splits:
        splits["train"], validation = hold_out(whole, held_out)
        if validation:
            splits["validation"] = validation
    if "all" in found:
        splits["test"] = found["all"].pairs
    return {
        split: sorted(splits[split], key=lambda pair: natural_order(pair.name))
        for split in SPLITS
        if split in splits
    }


def _measured(paths: Sequence[Path], quick: bool) -> Iterator[tuple[Path, Size | Problem]]:
    """Read pictures by several threads; gives sizes and problems in the order of `paths`."""
    executor = ThreadPoolExecutor(processors())
    try:
        for start in range(0, len(paths), _AT_ONCE):
            batch = paths[start : start + _AT_ONCE]
            outcomes = list(executor.map(lambda path: _measure(path, quick), batch))
            for path, outcome in zip(batch, outcomes, strict=True):
                # libvips keeps one log for all threads, so a reason may be another picture's.
                again = isinstance(outcome, Problem)
                yield path, _measure(path, quick) if again else outcome
    finally:
        executor.shutdown(cancel_futures=True)


def _measure(path: Path, quick: bool) -> Size | Problem:
    try:
        if quick:
            return picture_size(path)
        height, width, _ = read_picture(path).pixels.shape
    except PictureError as error:
        return Problem(path, str(error))
    return width, height


def counted(number: int, noun: str) -> str:
    """A number of things in words: 1 pair, 2,103 pairs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
