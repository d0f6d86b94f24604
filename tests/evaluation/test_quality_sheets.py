"""Which photographs are on a sheet, and that they are those that were measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from ccnet.degradation.blur import cut_margin
from ccnet.evaluation.conditions import KINDS, degraded, read_framed
from ccnet.evaluation.quality import Score, measure_quality
from ccnet.evaluation.quality_sheets import draw_kind, to_look_at
from ccnet.images import read_picture


def score(photograph: str, level: str, change: float) -> Score:
    return Score(photograph, "haze", level, "model", 20, 0.5, change)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9, unique=True))
def test_the_worst_two_the_middle_and_the_best_are_shown(changes: list[float]) -> None:
    names = {change: f"{index}.jpg" for index, change in enumerate(changes)}
    scores = [score(name, "light", 11) for name in names.values()]
    scores += [score(name, "heavy", change) for change, name in names.items()]
    chosen = to_look_at(scores)
    ranked = [names[change] for change in sorted(changes)]
    expected = (ranked[:2], ranked[len(ranked) // 2], ranked[-1])
    assert chosen == [name for name in ranked if name in (*expected[0], *expected[1:])]


def test_rows_are_photographs_by_strength_and_columns_what_became_of_them(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(data.astronaut()[:112, :140]).save(path)
    quality = measure_quality([path], ["identity"], kinds=["blur"], size=100, device="cpu")
    sheet = read_picture(draw_kind(quality, "blur")).pixels
    names = ["clean", "input", "unsharp", "wiener", "identity"]
    framed = read_framed(path, 100)
    height, width = cut_margin(framed).shape[1:]
    assert sheet.shape == (24 + 3 * (24 + height + 8), len(names) * 328 + 8, 3)
    for row, strength in enumerate(KINDS["blur"].strengths):
        top = 48 + row * (24 + height + 8)
        cells = [
            sheet[top : top + height, 8 + column * 328 :][:, :width] for column in range(len(names))
        ]
        clean, blurry = cut_margin(framed), degraded(framed, "a.png", "blur", strength)
        for found, expected in ((cells[0], clean), (cells[1], blurry), (cells[4], blurry)):
            pixels = (expected * 255).round().byte().permute(1, 2, 0).numpy()
            assert np.array_equal(found, pixels)
        assert not np.array_equal(cells[2], cells[1])
        assert (sheet[top - 24 : top] < 255).any()


def test_a_kind_without_a_model_is_shown_by_its_baselines(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(data.astronaut()[:112, :112]).save(path)
    quality = measure_quality([path], ["desnow-small"], size=72, device="cpu")
    assert read_picture(draw_kind(quality, "haze")).pixels.shape[1] == 3 * 328 + 8
    with pytest.raises(KeyError):
        draw_kind(quality, "rain")
