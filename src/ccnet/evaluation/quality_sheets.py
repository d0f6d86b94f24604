"""Photographs of a quality measurement on a sheet, so that numbers can be held against the eye."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccnet.degradation.blur import cut_margin
from ccnet.evaluation.conditions import KINDS, LEVELS, degraded, read_framed
from ccnet.evaluation.contact_sheet import Row, draw_sheet, reduced
from ccnet.evaluation.measuring import pixels_of, restore_timed
from ccnet.evaluation.quality import INPUT, Quality, Score


def draw_kind(quality: Quality, kind: str) -> bytes:
    """Draw a PNG: a few photographs in each strength, clean, degraded and by each candidate.

    They are degraded and restored again, and so come out as they were measured. Raises
    `PictureError` where a photograph is no longer there.
    """
    candidates = quality.candidates[kind]
    first_model = candidates[: len(KINDS[kind].baselines) + 1][-1].name
    scores = [score for score in quality.scores if score.kind == kind]
    psnrs = {(one.photograph, one.level, one.candidate): one.psnr for one in scores}
    rows = []
    for name in to_look_at(score for score in scores if score.candidate == first_model):
        framed = read_framed(quality.photographs[name], quality.size)
        for level, strength in zip(LEVELS, KINDS[kind].strengths, strict=True):
            picture = degraded(framed, name, kind, strength)
            restored = [restore_timed(candidate, picture)[0] for candidate in candidates]
            texts = [name, f"{level} {strength}: {psnrs[name, level, INPUT]:.2f} dB"]
            texts += [f"{psnrs[name, level, one.name]:.2f} dB" for one in candidates]
            images = [reduced(pixels_of(one)) for one in (cut_margin(framed), picture, *restored)]
            rows.append(Row(texts, images))
    return draw_sheet(["clean", INPUT, *(candidate.name for candidate in candidates)], rows)


def to_look_at(scores: Iterable[Score]) -> list[str]:
    """Choose photographs by their lowest change: the two worst, the middle one, and the best."""
    lowest: dict[str, float] = {}
    for score in scores:
        assert score.change is not None
        lowest[score.photograph] = min(score.change, lowest.get(score.photograph, score.change))
    ranked: Sequence[str] = sorted(lowest, key=lowest.__getitem__)
    places = sorted({0, min(1, len(ranked) - 1), len(ranked) // 2, len(ranked) - 1})
    return [ranked[place] for place in places]
