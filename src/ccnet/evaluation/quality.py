"""How well models undo haze, blur and snow put into photographs, and leave clear ones alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ccnet.degradation.blur import cut_margin
from ccnet.errors import CCNetError, UsageError
from ccnet.evaluation.candidates import Candidate, open_candidates
from ccnet.evaluation.conditions import (
    KINDS,
    LEVELS,
    SMALLEST_SIZE,
    degraded,
    read_framed,
)
from ccnet.evaluation.measuring import restore_timed
from ccnet.evaluation.protocols import PROTOCOLS
from ccnet.evaluation.summary import HIGHEST_PSNR
from ccnet.machine import describe_machine, find_device, list_versions
from ccnet.weights.files import read_metadata
from ccnet.weights.registry import DEFAULTS

SIZE = 384
PROTOCOL = PROTOCOLS["quantised"]

INPUT = "input"
"""What stands in a candidate's place for the degraded picture itself."""

CLEAR = "clear"
"""What stands in the place of a kind and of a level for a photograph with nothing put in."""


@dataclass(frozen=True)
class Score:
    """One candidate on one picture, by `PROTOCOL`.

    Attributes:
        photograph: The file's name.
        kind: A key of `KINDS`, or `CLEAR`.
        level: One of `LEVELS`, or `CLEAR`.
        candidate: Its name, or `INPUT`.
        psnr: In dB, at most `HIGHEST_PSNR`.
        ssim: At most 1.
        change: PSNR less the input's, in dB; None for a clear photograph, whose own has no end.
    """

    photograph: str
    kind: str
    level: str
    candidate: str
    psnr: float
    ssim: float
    change: float | None


@dataclass(frozen=True)
class Quality:
    """What was measured, on what and with what.

    Attributes:
        photographs: Their files by name, also those left out.
        size: Pixels of their long sides, at most.
        candidates: Those put to each kind: its baselines, then models.
        scores: Of all pictures, by photograph.
        left_out: Photographs that could not be measured, with the reasons.
        device: On what was computed.
        versions: Those of Python and packages.
        seconds: What measuring took.
    """

    photographs: dict[str, Path]
    size: int
    candidates: dict[str, tuple[Candidate, ...]]
    scores: list[Score]
    left_out: dict[str, str]
    device: str
    versions: dict[str, str]
    seconds: float


def measure_quality(
    photographs: Sequence[Path],
    models: Sequence[str] = (),
    *,
    kinds: Sequence[str] = (),
    size: int = SIZE,
    device: str = "auto",
    progress: Callable[[str, int, int], object] | None = None,
    failed: Callable[[str], object] | None = None,
) -> Quality:
    """Degrade photographs in kinds and strengths, and measure what models make of them.

    One photograph is in memory at a time; one that cannot be measured is left out for all.

    Args:
        photographs: Files of clear pictures, of different names.
        models: As `open_candidates` takes them. One whose file names the task of a kind is put to
            that kind, any other to all; without any, each task's default model is.
        kinds: Keys of `KINDS`; all where none is named.
        size: Pixels to reduce the photographs' long sides to, from 64 up.
        device: As for `Restorer`; whatever it is, pictures are degraded on the CPU.
        progress: Called with a photograph's name, and the numbers of pictures done and in all.
        failed: Called with one sentence for each photograph that is left out.

    Raises:
        UsageError: An argument has a value that there is not, or no kind has use for a model.
        WeightsError: A model is not there, or broken.
        CCNetError: No photograph could be measured.
    """
    if size < SMALLEST_SIZE:
        raise UsageError(f"size={size} must be from {SMALLEST_SIZE} up.")
    place = find_device(device)
    candidates = _open_by_kind(_checked(kinds), models, device)
    started = time.monotonic()
    rounds = 1 + len(candidates) * len(LEVELS)
    scores: list[Score] = []
    left_out: dict[str, str] = {}
    for index, path in enumerate(photographs):
        found: list[Score] = []
        try:
            for done, part in enumerate(_measured(path, candidates, size), 1):
                if progress:
                    progress(path.name, index * rounds + done, len(photographs) * rounds)
                found += part
        except CCNetError as error:
            left_out[path.name] = str(error)
            if failed:
                failed(str(error) if path.name in str(error) else f"{path}: {error}")
        else:
            scores += found
    if not scores:
        raise CCNetError(f"None of the {len(photographs)} photographs could be measured.")
    return Quality(
        photographs={path.name: path for path in photographs},
        size=size,
        candidates=candidates,
        scores=scores,
        left_out=left_out,
        device=describe_machine(place),
        versions=list_versions(),
        seconds=time.monotonic() - started,
    )


def _measured(
    path: Path, candidates: Mapping[str, Sequence[Candidate]], size: int
) -> Iterator[list[Score]]:
    """Give the scores of a photograph as it is, and then in each kind and strength."""
    framed = read_framed(path, size)
    clean = cut_margin(framed)
    everyone = dict.fromkeys(one for chosen in candidates.values() for one in chosen)
    yield [_score(one, clean, clean, path.name, CLEAR, CLEAR) for one in everyone]
    for kind, chosen in candidates.items():
        for level, strength in zip(LEVELS, KINDS[kind].strengths, strict=True):
            picture = degraded(framed, path.name, kind, strength)
            before = min(PROTOCOL.psnr(picture, clean), HIGHEST_PSNR)
            yield [
                _score(one, picture, clean, path.name, kind, level, before)
                for one in (None, *chosen)
            ]


def _score(
    candidate: Candidate | None,
    picture: Tensor,
    clean: Tensor,
    photograph: str,
    kind: str,
    level: str,
    before: float | None = None,
) -> Score:
    """Score what a candidate, or nothing, makes of a picture, that had `before` in dB."""
    restored = picture if candidate is None else restore_timed(candidate, picture)[0]
    psnr, ssim = PROTOCOL.score(restored, clean)
    assert ssim is not None  # photographs are large enough for it
    psnr = min(psnr, HIGHEST_PSNR)
    return Score(
        photograph=photograph,
        kind=kind,
        level=level,
        candidate=INPUT if candidate is None else candidate.name,
        psnr=psnr,
        ssim=ssim,
        change=None if before is None else psnr - before,
    )


def _checked(kinds: Sequence[str]) -> list[str]:
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"kind={kind} is none of {', '.join(KINDS)}.")
    return [kind for kind in KINDS if kind in kinds or not kinds]


def _open_by_kind(
    kinds: Sequence[str], models: Sequence[str], device: str
) -> dict[str, tuple[Candidate, ...]]:
    """Open the baselines of each kind and the models for it, each once."""
    tasks = {KINDS[kind].task for kind in kinds}
    wanted = list(models) or [model for task, model in DEFAULTS.items() if task in tasks]
    baselines = [name for kind in kinds for name in KINDS[kind].baselines]
    names = list(dict.fromkeys([*baselines, *wanted]))
    candidates = open_candidates(names, device=device, precision="auto", tile="off")
    opened = dict(zip(names, candidates, strict=True))
    task_of = {name: _task(opened[name]) for name in wanted}
    for name, task in task_of.items():
        if task is not None and task not in tasks:
            raise UsageError(
                f"model={name} is for {task} and not for {', '.join(kinds)}; leave it out, or add "
                "its kind."
            )
    chosen = {}
    for kind in kinds:
        fitting = [name for name in wanted if task_of[name] in (None, KINDS[kind].task)]
        each = dict.fromkeys([*KINDS[kind].baselines, *fitting])
        chosen[kind] = tuple(opened[name] for name in each)
    return chosen


def _task(candidate: Candidate) -> str | None:
    """Tell which kind's task a candidate's file names, or None for one that fits all kinds."""
    task = None if candidate.file is None else read_metadata(candidate.file).get("task")
    return task if task in {kind.task for kind in KINDS.values()} else None
