"""Candidates put to pairs, one pair in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ccnet.datasets.pairs import Pair, read_pair
from ccnet.errors import CCNetError
from ccnet.evaluation.candidates import Candidate, Pixels
from ccnet.evaluation.extremes import Extremes
from ccnet.evaluation.protocols import Protocol


@dataclass(frozen=True)
class Measurement:
    """One candidate on one picture by one protocol.

    Attributes:
        picture: The pair's name.
        candidate: The candidate's.
        protocol: The protocol's.
        height: Of the picture in pixels.
        width: Of the picture in pixels.
        psnr: Of the restored picture in dB; infinite where it is its target.
        ssim: Of the restored picture, or None where it is too small.
        input_psnr: Of the degraded picture in dB.
        clean_psnr: Of the target put through the candidate in dB, or None where it was not.
        seconds: What restoring took, without reading and measuring.
        tiled: Whether it was too large to be restored whole.
    """

    picture: str
    candidate: str
    protocol: str
    height: int
    width: int
    psnr: float
    ssim: float | None
    input_psnr: float
    clean_psnr: float | None
    seconds: float
    tiled: bool


@dataclass
class Measurements:
    """All that was measured, the pictures left out with the reasons, and those to look at."""

    rows: list[Measurement] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    extremes: Extremes = field(default_factory=Extremes)


def measure(
    pairs: Sequence[Pair],
    candidates: Sequence[Candidate],
    protocols: Sequence[Protocol],
    *,
    clean: bool = False,
    progress: Callable[[str, int], object] | None = None,
    failed: Callable[[str], object] | None = None,
) -> Measurements:
    """Measure candidates on pairs by protocols.

    A pair that cannot be read, or that a candidate cannot restore, is left out for all candidates,
    so that all means are over the same pictures.

    Args:
        pairs: What on.
        candidates: What; the pictures to look at are the first's, by the first protocol.
        protocols: How.
        clean: Whether to put the targets through, too.
        progress: Called before each pair with its name and the number of pairs done.
        failed: Called with one sentence for each pair that is left out.
    """
    measured = Measurements()
    for candidate in candidates:
        _warm_up(candidate)
    for done, pair in enumerate(pairs):
        if progress:
            progress(pair.name, done)
        try:
            measured.rows += _measure_pair(pair, candidates, protocols, clean, measured.extremes)
        except CCNetError as error:
            reason = str(error)
            measured.left_out[pair.name] = reason
            if failed:
                named = pair.degraded.name in reason or pair.target.name in reason
                failed(reason if named else f"{pair.degraded}: {reason}")
    return measured


def _warm_up(candidate: Candidate) -> None:
    """Restore a small picture untimed, since the first takes longer."""
    try:
        candidate.restore(np.full((256, 256, 3), 0.5, np.float32), _ignore)
    except CCNetError:
        return  # each picture will say so


def _ignore(_share: float) -> None:
    """Take no notice of progress."""


def _measure_pair(
    pair: Pair,
    candidates: Sequence[Candidate],
    protocols: Sequence[Protocol],
    clean: bool,
    extremes: Extremes,
) -> list[Measurement]:
    degraded, target = (tensor.float() / 255 for tensor in read_pair(pair))
    rows = []
    for index, candidate in enumerate(candidates):
        restored, seconds, tiled = restore_timed(candidate, degraded)
        kept = restore_timed(candidate, target)[0] if clean else None
        for protocol in protocols:
            psnr, ssim = protocol.score(restored, target)
            row = Measurement(
                picture=pair.name,
                candidate=candidate.name,
                protocol=protocol.name,
                height=target.shape[1],
                width=target.shape[2],
                psnr=psnr,
                ssim=ssim,
                input_psnr=protocol.psnr(degraded, target),
                clean_psnr=None if kept is None else protocol.psnr(kept, target),
                seconds=seconds,
                tiled=tiled,
            )
            rows.append(row)
        if index == 0:
            shown = pixels_of(degraded), pixels_of(restored), pixels_of(target)
    extremes.offer(pair.name, rows[0].psnr, shown)
    return rows


def restore_timed(candidate: Candidate, picture: Tensor) -> tuple[Tensor, float, bool]:
    """Restore (3, H, W); give the result, the seconds it took, and whether it was cut in tiles."""
    pixels = pixels_of(picture)
    steps: list[float] = []
    started = time.perf_counter()
    restored = candidate.restore(pixels, steps.append)
    seconds = time.perf_counter() - started
    tensor = torch.from_numpy(np.ascontiguousarray(restored)).permute(2, 0, 1)
    return tensor, seconds, len(steps) > 1


def pixels_of(picture: Tensor) -> Pixels:
    """Give (3, H, W) as an array (H, W, 3)."""
    pixels: Pixels = picture.permute(1, 2, 0).contiguous().numpy()
    return pixels
