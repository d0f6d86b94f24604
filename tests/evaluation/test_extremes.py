"""Which pictures are kept to look at, and the sheet of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccnet.evaluation.contact_sheet import Pixels
from ccnet.evaluation.extremes import Extremes
from ccnet.images import read_picture


def three(colours: tuple[float, float, float], shape: tuple[int, int]) -> tuple[Pixels, ...]:
    return tuple(np.full((*shape, 3), colour, np.float32) for colour in colours)


def offer(extremes: Extremes, name: str, psnr: float, shape: tuple[int, int] = (4, 6)) -> None:
    first, second, third = three((0.0, 0.4, 1.0), shape)
    extremes.offer(name, psnr, (first, second, third))


@given(st.lists(st.floats(5, 50), min_size=1, max_size=12, unique=True))
@settings(max_examples=40)
def test_the_three_worst_and_the_three_best_are_kept(psnrs: list[float]) -> None:
    extremes = Extremes()
    for index, psnr in enumerate(psnrs):
        offer(extremes, str(index), psnr)
    ordered = sorted(psnrs)
    expected = ordered if len(psnrs) < 6 else ordered[:3] + ordered[-3:]
    assert [shown.psnr for shown in extremes.shown] == expected


@pytest.mark.parametrize("name", ["a", "<b> & c", "x" * 4000, "na\u00efve \u732b", "\udcff"])
def test_a_sheet_can_be_drawn_for_any_name(name: str) -> None:
    extremes = Extremes()
    offer(extremes, name, float("inf"))
    sheet = read_picture(extremes.sheet()).pixels
    assert sheet.shape == (24 + 24 + 4 + 8, 3 * 328 + 8, 3)


def test_pictures_lie_in_their_columns_reduced_and_never_enlarged() -> None:
    extremes = Extremes()
    offer(extremes, "large", 10.0, (400, 800))
    offer(extremes, "small", 20.0, (10, 20))
    sheet = read_picture(extremes.sheet()).pixels
    top = 24 + 24
    assert sheet.shape[0] == top + 160 + 8 + 24 + 10 + 8
    for column, level in enumerate((0, 102, 255)):
        left = 8 + column * 328
        assert (sheet[top : top + 160, left : left + 320] == level).all()
        small = sheet[top + 160 + 8 + 24 :, left : left + 320]
        assert (small[:10, :20] == level).all()
        assert (small[:, 20:] == 255).all()
    assert (sheet[:24] < 255).any()
    assert (sheet[24:48] < 255).any()
