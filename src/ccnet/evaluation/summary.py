"""Means over pictures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ccnet.evaluation.measuring import Measurement

HIGHEST_PSNR = 100.0
"""In dB, what a picture counts as in means and medians that is its target, or all but: its own PSNR
is infinite, and would make every mean so."""


@dataclass(frozen=True)
class Summary:
    """What one candidate reached by one protocol; PSNR in dB.

    Attributes:
        candidate: The candidate's name.
        protocol: The protocol's.
        pictures: How many were measured.
        psnr_mean: The mean over pictures.
        psnr_median: The median.
        psnr_worst: The lowest.
        worst_picture: Which has it.
        ssim_mean: The mean over the pictures large enough for it, or None where none is.
        ssim_median: The median.
        ssim_worst: The lowest.
        input_psnr_mean: The mean of the degraded pictures'.
        clean_psnr_mean: The mean of the targets' put through the candidate, or None.
        without_ssim: How many pictures are too small for it.
        identical: How many came out as their targets, counted as `HIGHEST_PSNR`.
    """

    candidate: str
    protocol: str
    pictures: int
    psnr_mean: float
    psnr_median: float
    psnr_worst: float
    worst_picture: str
    ssim_mean: float | None
    ssim_median: float | None
    ssim_worst: float | None
    input_psnr_mean: float
    clean_psnr_mean: float | None
    without_ssim: int
    identical: int


def summarise(rows: Iterable[Measurement]) -> list[Summary]:
    """Summarise by protocol and candidate, in the order in which they come first."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.candidate), []).append(row)
    protocols = list(dict.fromkeys(protocol for protocol, _ in groups))
    return [
        _summarise(group)
        for wanted in protocols
        for (protocol, _), group in groups.items()
        if protocol == wanted
    ]


def seconds_per_megapixel(rows: Iterable[Measurement], candidate: str) -> float:
    """Give a candidate's time for a million pixels, over all pictures together."""
    once = {row.picture: row for row in rows if row.candidate == candidate}.values()
    pixels = sum(row.height * row.width for row in once)
    return sum(row.seconds for row in once) / pixels * 1e6


def _summarise(rows: Sequence[Measurement]) -> Summary:
    psnrs = [min(row.psnr, HIGHEST_PSNR) for row in rows]
    ssims = [row.ssim for row in rows if row.ssim is not None]
    cleans = [min(row.clean_psnr, HIGHEST_PSNR) for row in rows if row.clean_psnr is not None]
    worst = min(rows, key=lambda row: row.psnr)
    return Summary(
        candidate=rows[0].candidate,
        protocol=rows[0].protocol,
        pictures=len(rows),
        psnr_mean=statistics.fmean(psnrs),
        psnr_median=statistics.median(psnrs),
        psnr_worst=min(psnrs),
        worst_picture=worst.picture,
        ssim_mean=statistics.fmean(ssims) if ssims else None,
        ssim_median=statistics.median(ssims) if ssims else None,
        ssim_worst=min(ssims) if ssims else None,
        input_psnr_mean=statistics.fmean(min(row.input_psnr, HIGHEST_PSNR) for row in rows),
        clean_psnr_mean=statistics.fmean(cleans) if cleans else None,
        without_ssim=len(rows) - len(ssims),
        identical=sum(row.psnr >= HIGHEST_PSNR for row in rows),
    )
