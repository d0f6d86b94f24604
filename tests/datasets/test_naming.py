from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.datasets.naming import (
    folded,
    gt_for_hazy,
    leading_number,
    natural_order,
    stem_of,
    without_strengths,
)


@pytest.mark.parametrize(
    ("stem", "targets"),
    [
        ("1400_1", ("1400_1", "1400")),
        ("1_10_0.90179", ("1_10_0.90179", "1_10", "1")),
        ("0001_0.8_0.08", ("0001_0.8_0.08", "0001_0.8", "0001")),
        ("plain", ("plain",)),
    ],
)
def test_strengths_are_left_out_one_by_one(stem: str, targets: tuple[str, ...]) -> None:
    assert without_strengths(stem) == targets


@pytest.mark.parametrize(
    ("stem", "targets"),
    [
        ("01_hazy", ("01_GT", "01_hazy")),
        ("07_outdoor_HAZY", ("07_outdoor_GT", "07_outdoor_HAZY")),
        ("01_GT", ("01_GT",)),
        ("hazy_01", ("hazy_01",)),
    ],
)
def test_gt_stands_for_hazy_at_the_end(stem: str, targets: tuple[str, ...]) -> None:
    assert gt_for_hazy(stem) == targets


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("70fromGOPR1096.MP4.png", "70fromGOPR1096.MP4"),
        ("0001_0.8_0.08.jpg", "0001_0.8_0.08"),
        ("a/b.c/1.TIFF", "a/b.c/1"),
        ("0001_0.8_0.08", "0001_0.8_0.08"),
        ("notes.txt", "notes.txt"),
        (".png", ".png"),
    ],
)
def test_only_a_picture_s_suffix_is_taken_off(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_numbers_sort_by_what_they_count() -> None:
    names = ["b", "a10", "a9", "a9b2", "a9b10", "2", "10", "", "a009"]
    assert sorted(names, key=natural_order) == [
        *("", "2", "10", "a009", "a9", "a9b2", "a9b10", "a10", "b")
    ]


@given(names=st.lists(st.text(max_size=6), unique=True), data=st.data())
def test_any_names_have_one_order(names: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(names))
    assert sorted(names, key=natural_order) == sorted(shuffled, key=natural_order)


def test_spellings_of_one_name_are_the_same() -> None:
    assert folded("CAFÉ_01") == folded("cafe\u0301_01")


@pytest.mark.parametrize(
    ("name", "number"), [("07_hazy", 7), ("outdoor/45_GT", 45), ("hazy_07", None), ("", None)]
)
def test_a_name_s_number_is_at_its_beginning(name: str, number: int | None) -> None:
    assert leading_number(name) == number
