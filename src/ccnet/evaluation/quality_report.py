"""What a quality measurement found, as files: `quality.md`, `quality.json` and a sheet per kind."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ccnet.evaluation.candidates import Candidate
from ccnet.evaluation.conditions import KINDS, LEVELS
from ccnet.evaluation.markdown import cell, table
from ccnet.evaluation.quality import CLEAR, INPUT, PROTOCOL, Quality, Score
from ccnet.evaluation.quality_sheets import draw_kind
from ccnet.evaluation.report import write_files

FORMAT_VERSION = 1
ALL = "all"
"""What stands in a level's place for all levels together."""

WORSE = 1.0
"""In dB: a picture whose PSNR falls by more was made worse."""


def file_names(kinds: Iterable[str]) -> list[str]:
    """Name the files that a report on kinds consists of."""
    return ["quality.md", "quality.json", *(f"{kind}.png" for kind in kinds)]


@dataclass(frozen=True)
class Summary:
    """What one candidate reached on pictures of one kind and level.

    Attributes:
        kind: A key of `KINDS`, or `CLEAR`.
        level: One of `LEVELS`, `ALL`, or `CLEAR`.
        candidate: Its name, or `INPUT`.
        pictures: How many were measured.
        psnr: The mean, in dB.
        ssim: The mean.
        worst: The lowest change of PSNR in dB; of clear pictures the lowest PSNR.
        worst_photograph: Which has it.
        made_worse: How many have a PSNR more than `WORSE` below their input's; of clear pictures,
            which have no bound, None.
    """

    kind: str
    level: str
    candidate: str
    pictures: int
    psnr: float
    ssim: float
    worst: float
    worst_photograph: str
    made_worse: int | None


def summarise(scores: Iterable[Score]) -> list[Summary]:
    """Summarise by kind, level and candidate, and by kind and candidate over all levels."""
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        for level in (score.level, *((ALL,) if score.kind != CLEAR else ())):
            groups.setdefault((score.kind, level, score.candidate), []).append(score)
    return [_summarise(level, group) for (_, level, _), group in groups.items()]


def _summarise(level: str, scores: Sequence[Score]) -> Summary:
    clear = scores[0].kind == CLEAR
    marks = [score.psnr if score.change is None else score.change for score in scores]
    worst = min(marks)
    return Summary(
        kind=scores[0].kind,
        level=level,
        candidate=scores[0].candidate,
        pictures=len(scores),
        psnr=statistics.fmean(score.psnr for score in scores),
        ssim=statistics.fmean(score.ssim for score in scores),
        worst=worst,
        worst_photograph=scores[marks.index(worst)].photograph,
        made_worse=None if clear else sum(mark < -WORSE for mark in marks),
    )


def tables(quality: Quality) -> str:
    """Give what was reached on degraded and on clear pictures, as two tables in Markdown."""
    found = {(row.kind, row.level, row.candidate): row for row in summarise(quality.scores)}
    rows = []
    for kind, candidates in quality.candidates.items():
        for name in (INPUT, *(candidate.name for candidate in candidates)):
            by_level = [found[kind, level, name] for level in (*LEVELS, ALL)]
            cells = map(_marks, by_level)
            worse = " / ".join(str(row.made_worse) for row in by_level[:-1])
            change = f"{by_level[-1].worst:+.2f}"
            rows.append([kind, name, *cells, *(("", "") if name == INPUT else (change, worse))])
    names = ["kind", "model", *LEVELS, "mean", "worst change", "made worse"]
    clear = [
        (row.candidate, _marks(row), f"{row.worst:.2f}", row.worst_photograph)
        for row in found.values()
        if row.kind == CLEAR
    ]
    clear_names = ["clear photographs", "mean", "worst", "which"]
    return f"{table(names, rows, 2)}\n{table(clear_names, clear, 1)}"


def to_markdown(quality: Quality) -> str:
    """Give the report as a page of Markdown."""
    measured = len(quality.photographs) - len(quality.left_out)
    strengths = "; ".join(
        f"{kind} {', '.join(map(str, KINDS[kind].strengths))}" for kind in quality.candidates
    )
    left_out = "".join(
        f"- {cell(name)}: {cell(reason)}\n" for name, reason in quality.left_out.items()
    )
    models = [
        (
            one.name,
            "-" if one.sha256 is None else one.sha256[:16],
            "-" if one.parameters is None else f"{one.parameters:,}",
        )
        for one in _everyone(quality)
    ]
    versions = ", ".join(f"{name} {version}" for name, version in quality.versions.items())
    return (
        f"# Quality on {measured} photographs\n\n{tables(quality)}\n"
        "PSNR in dB / SSIM, each a mean over photographs. *Worst change*: the lowest PSNR less "
        f"that of its input, in dB. *Made worse*: how many fell by more than {WORSE:g} dB, "
        f"{' / '.join(LEVELS)}.\n\n"
        f"- photographs: {measured}, reduced to a long side of at most {quality.size} pixels\n"
        f"- strengths ({', '.join(LEVELS)}): {strengths}\n"
        "- seeds: SHA-256 of the photograph's name, the kind and the strength\n"
        f"- protocol: `{PROTOCOL.name}`, {PROTOCOL.description}\n"
        f"- on {quality.device}, in {quality.seconds:.0f} s\n- {versions}\n\n"
        f"{table(['model', 'SHA-256 begins', 'parameters'], models, 2)}"
        + (f"\nLeft out:\n\n{left_out}" if left_out else "")
    )


def to_json(quality: Quality) -> str:
    """Give all that was measured, in all digits."""
    results = {
        "format_version": FORMAT_VERSION,
        "photographs": len(quality.photographs),
        "size": quality.size,
        "protocol": {PROTOCOL.name: PROTOCOL.description},
        "strengths": {
            kind: dict(zip(LEVELS, KINDS[kind].strengths, strict=True))
            for kind in quality.candidates
        },
        "models": [
            {"name": one.name, "sha256": one.sha256, "parameters": one.parameters}
            for one in _everyone(quality)
        ],
        "device": quality.device,
        "versions": quality.versions,
        "seconds": quality.seconds,
        "left_out": quality.left_out,
        "summaries": [asdict(summary) for summary in summarise(quality.scores)],
        "scores": [asdict(score) for score in quality.scores],
    }
    return json.dumps(results, indent=1, allow_nan=False) + "\n"


def write_quality(
    quality: Quality,
    folder: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[str], object] | None = None,
) -> None:
    """Write a report into a folder, which is made; raises CCNetError.

    Numbers come first, so that they are there if a sheet cannot be drawn; for the sheets a few
    pictures are restored again. `progress` is called with each file's name before it is made.
    """
    page, numbers, *sheets = file_names(quality.candidates)
    texts = {page: to_markdown(quality), numbers: to_json(quality)}
    files = {name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()}
    write_files(files, folder, overwrite=overwrite)
    for kind, sheet in zip(quality.candidates, sheets, strict=True):
        if progress:
            progress(sheet)
        write_files({sheet: draw_kind(quality, kind)}, folder, overwrite=overwrite)


def _marks(row: Summary) -> str:
    return f"{row.psnr:.2f} / {row.ssim:.3f}"


def _everyone(quality: Quality) -> list[Candidate]:
    return list(dict.fromkeys(one for chosen in quality.candidates.values() for one in chosen))
