"""Models measured on a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ccnet.datasets.layouts import find_pairs
from ccnet.datasets.splits import spread
from ccnet.errors import CCNetError, UsageError
from ccnet.evaluation.candidates import open_candidates
from ccnet.evaluation.measuring import measure
from ccnet.evaluation.protocols import find_protocols
from ccnet.evaluation.report import Cost, Report
from ccnet.evaluation.summary import seconds_per_megapixel, summarise
from ccnet.machine import describe_machine, find_device, list_versions


def evaluate(
    models: Sequence[str],
    dataset: str,
    path: str | os.PathLike[str],
    targets: str | os.PathLike[str] | None = None,
    *,
    split: str = "test",
    held_out: float = 0.05,
    protocols: Sequence[str] = (),
    limit: int | None = None,
    clean: bool = False,
    device: str = "auto",
    precision: str = "auto",
    tile: str | int = "auto",
    progress: Callable[[str, int, int], object] | None = None,
    failed: Callable[[str], object] | None = None,
) -> Report:
    """Measure models on the pairs of a dataset.

    Args:
        models: What to measure, as `open_candidates` takes it; the first is the one that the sheet
            of pictures shows.
        dataset: The name of a layout, such as "sots-indoor" or "folders".
        path: Where the dataset is.
        targets: Where the targets are, for a pair of folders.
        split: "test", "validation" or "train".
        held_out: The share of scenes that validate, for a dataset without a split for it.
        protocols: Names of protocols; all where none is named, since most of the time goes into
            restoring, which is done once for all of them.
        limit: The most pairs to take, evenly spaced; all where it is None.
        clean: Whether to put the targets through the models, too, which should leave them alone.
        device: As for `Restorer`.
        precision: As for `Restorer`.
        tile: As for `Restorer`.
        progress: Called before each pair with its name, and the numbers of pairs done and in all.
        failed: Called with one sentence for each pair that cannot be measured.

    Raises:
        UsageError: An argument has a value that there is not, or the dataset is not there.
        WeightsError: A model is not there, or broken.
        CCNetError: No pair could be measured.
    """
    if not models:
        raise UsageError("models names none; name one at least.")
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} must be from 1 up.")
    chosen = find_protocols(protocols)
    place = find_device(device)
    path, targets = Path(path), None if targets is None else Path(targets)
    pairs = find_pairs(dataset, path, split, targets=targets, held_out=held_out)
    candidates = open_candidates(models, device=device, precision=precision, tile=tile)
    taken = pairs if limit is None else spread(pairs, limit)
    measured = measure(
        taken,
        candidates,
        chosen,
        clean=clean,
        progress=progress and (lambda name, done: progress(name, done, len(taken))),
        failed=failed,
    )
    if not measured.rows:
        raise CCNetError(f"None of the {len(taken)} pairs of {path} could be measured.")
    costs = [
        Cost(
            candidate=candidate.name,
            file=None if candidate.file is None else str(candidate.file),
            sha256=candidate.sha256,
            parameters=candidate.parameters,
            macs=candidate.macs,
            seconds_per_megapixel=seconds_per_megapixel(measured.rows, candidate.name),
            tiled=len(
                {
                    row.picture
                    for row in measured.rows
                    if row.tiled and row.candidate == candidate.name
                }
            ),
        )
        for candidate in candidates
    ]
    return Report(
        dataset=dataset,
        path=str(path),
        targets=None if targets is None else str(targets),
        split=split,
        pairs=len(pairs),
        limit=limit,
        protocols={protocol.name: protocol.description for protocol in chosen},
        summaries=summarise(measured.rows),
        costs=costs,
        device=describe_machine(place),
        precision=precision,
        tile=str(tile),
        versions=list_versions(),
        measured=measured,
    )
