from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.datasets.pairs import Pair
from ccnet.datasets.splits import held_out_scenes, hold_out, spread

scenes = st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=40)
shares = st.floats(0.01, 0.99)


@given(scenes=scenes, share=shares)
def test_some_scenes_are_chosen_and_some_left_whatever_their_order(
    scenes: set[str], share: float
) -> None:
    chosen = held_out_scenes(scenes, share)
    assert set() < chosen < scenes
    assert held_out_scenes(sorted(scenes, reverse=True), share) == chosen


@given(scenes=scenes, more=scenes, share=shares)
def test_new_scenes_move_no_other(scenes: set[str], more: set[str], share: float) -> None:
    """But for the one that is taken, or left, where the hash chooses none, or all."""
    before, after = held_out_scenes(scenes, share), held_out_scenes(scenes | more, share)
    assert len(before ^ (after & scenes)) <= 1
    if 1 < len(before) < len(scenes) - 1:
        assert after & scenes == before


@given(
    scenes=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30).filter(
        lambda scenes: len(set(scenes)) > 1
    ),
    share=shares,
)
def test_no_scene_is_on_both_sides(scenes: list[str], share: float) -> None:
    pairs = [Pair(str(at), Path(f"{at}.png"), Path("t"), scene) for at, scene in enumerate(scenes)]
    training, validation = hold_out(pairs, share)
    assert sorted(training + validation, key=pairs.index) == pairs
    assert not {pair.scene for pair in training} & {pair.scene for pair in validation}
    assert training
    assert validation
    again, _ = hold_out(pairs[1:], share)
    if len(set(scenes[1:])) == len(set(scenes)):
        assert [pair for pair in training if pair != pairs[0]] == again, "one picture moves none"


def test_about_as_many_are_chosen_as_asked_for() -> None:
    scenes = [f"{at:04}" for at in range(2000)]
    assert 70 <= len(held_out_scenes(scenes, 0.05)) <= 130
    assert 900 <= len(held_out_scenes(scenes, 0.5)) <= 1100


def test_the_choice_is_the_same_on_every_machine() -> None:
    """By SHA-256 of the names (`printf 9 | sha256sum`): 19581e27 for 9, 2c624232 for 8, and up."""
    digits = list("0123456789")
    assert held_out_scenes(digits, 0.01) == {"9"}
    assert held_out_scenes(digits, 0x30 / 0x100) == {"9", "8"}
    assert held_out_scenes(digits, 0.99) == {*digits} - {"5"}, "ef2d127d is the highest"


def test_a_single_scene_is_parted_by_target() -> None:
    pairs = [Pair(str(at), Path(f"{at}.png"), Path(f"t/{at // 2}.png"), "a") for at in range(8)]
    training, validation = hold_out(pairs, 0.05)
    assert len(validation) == 2
    assert not {pair.target for pair in training} & {pair.target for pair in validation}
    assert hold_out(pairs[:2], 0.05) == (pairs[:2], [])
    assert hold_out(pairs, 0) == (pairs, [])


def test_targets_of_one_name_are_told_apart_by_their_folders() -> None:
    pairs = [  # as RSBlur's are called
        Pair(
            f"1/{at}", Path(f"1/{at}/real_blur/real_blur.png"), Path(f"1/{at}/gt/gt_sharp.png"), "1"
        )
        for at in range(8)
    ]
    training, validation = hold_out(pairs, 0.05)
    assert (len(training), len(validation)) == (7, 1)
    elsewhere = [
        Pair(pair.name, Path("/a") / pair.degraded, Path("/a") / pair.target, pair.scene)
        for pair in pairs
    ]
    assert [pair.name for pair in hold_out(elsewhere, 0.05)[1]] == [validation[0].name]


@pytest.mark.parametrize("scenes", [[], ["only"]])
def test_of_less_than_two_none_is_chosen(scenes: list[str]) -> None:
    assert held_out_scenes(scenes, 0.5) == set()


def test_names_that_are_no_text_can_be_chosen() -> None:
    assert held_out_scenes(["a\udce9", "b"], 0.5)


@pytest.mark.parametrize(
    ("items", "most", "expected"),
    [("abcde", 9, "abcde"), ("abcde", 5, "abcde"), ("abcdefghij", 3, "adg"), ("abc", 1, "a")],
)
def test_a_few_are_spread_evenly(items: str, most: int, expected: str) -> None:
    assert spread(items, most) == list(expected)
