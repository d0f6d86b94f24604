"""Batches of pairs on disk: what they hold, in what order, and where they go on."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ccnet.datasets.batches import Batch, Share
from ccnet.datasets.pair_crops import CentrePairs, PairBatches, grown
from ccnet.datasets.pairs import Pair
from ccnet.errors import PictureError

HEIGHT, WIDTH = 30, 40


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Five pairs whose red is the row, green the column and blue the pair's number.

    The degraded ones have all rows and columns plus 100.
    """
    folder = tmp_path_factory.mktemp("pairs")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    found = []
    for number in range(5):
        pixels = np.stack((rows, columns, np.full_like(rows, number)), 2).astype(np.uint8)
        pair = Pair(str(number), folder / f"{number}-d.png", folder / f"{number}.png", "scene")
        Image.fromarray(pixels).save(pair.target)
        Image.fromarray(pixels + np.array((100, 100, 0), np.uint8)).save(pair.degraded)
        found.append(pair)
    return found


def batches_of(
    pairs: list[Pair], *, share: Share | None = None, seed: int = 3, crop: int = 16
) -> PairBatches:
    share = share or Share(2)
    return PairBatches(pairs, steps=10, share=share, crop=crop, seed=seed, workers=0)


def numbers_of(batches: list[Batch]) -> list[int]:
    return [int(crop[2, 0, 0]) for batch in batches for crop in batch.clean]


def test_crops_are_the_same_window_of_both_sides(pairs: list[Pair]) -> None:
    mirrored, corners = [], set()
    for batch in batches_of(pairs):
        assert batch.degraded is not None
        assert batch.clean.shape == batch.degraded.shape == (2, 3, 16, 16)
        assert batch.clean.dtype == torch.uint8
        shift = torch.tensor([100, 100, 0], dtype=torch.uint8).view(3, 1, 1)
        assert torch.equal(batch.degraded, batch.clean + shift)
        for crop in batch.clean.int():
            assert (crop[0].diff(dim=0) == 1).all()
            steps = crop[1].diff(dim=1)
            assert steps.unique().numel() == 1
            mirrored.append(int(steps[0, 0]) == -1)
            corners.add((int(crop[0].min()), int(crop[1].min())))
    assert 4 < sum(mirrored) < 16
    assert len(corners) > 12


def test_every_pair_comes_once_an_epoch_in_another_order_each(pairs: list[Pair]) -> None:
    numbers = numbers_of(list(batches_of(pairs)))
    epochs = [numbers[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert numbers_of(list(batches_of(pairs, seed=4))) != numbers


def test_names_are_of_the_pairs_that_a_step_saw(pairs: list[Pair]) -> None:
    batches = batches_of(pairs)
    for step, batch in enumerate(batches):
        assert list(map(int, batches.names(step))) == numbers_of([batch])


@pytest.mark.parametrize(("passes", "processes"), [(2, 1), (1, 2), (2, 2)])
def test_passes_and_processes_share_the_samples_of_one(
    pairs: list[Pair], passes: int, processes: int
) -> None:
    whole = list(batches_of(pairs, share=Share(4)))
    parts = sorted(
        batch
        for rank in range(processes)
        for batch in batches_of(pairs, share=Share(4, passes, processes, rank))
    )
    for step, batch in enumerate(whole):
        shared = parts[step * passes * processes : (step + 1) * passes * processes]
        assert torch.equal(torch.cat([part.clean for part in shared]), batch.clean)


def test_goes_on_where_its_state_says(pairs: list[Pair]) -> None:
    whole = list(batches_of(pairs))
    begun = batches_of(pairs)
    for _ in itertools.islice(begun, 4):
        pass
    resumed = batches_of(pairs)
    resumed.load_state_dict(begun.state_dict())
    rest = list(resumed)
    assert len(rest) == 6
    assert all(torch.equal(one.clean, two.clean) for one, two in zip(rest, whole[4:], strict=True))


def test_a_picture_that_cannot_be_read_is_raised_when_its_turn_comes(
    pairs: list[Pair], tmp_path: Path
) -> None:
    missing = Pair("missing", tmp_path / "missing.png", pairs[0].target, "scene")
    with pytest.raises(PictureError, match=r"missing\.png"):
        list(batches_of([*pairs, missing]))


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_that_cannot_be_read_is_raised_before_its_step_begins(
    pairs: list[Pair], tmp_path: Path, seed: int
) -> None:
    missing = Pair("missing", tmp_path / "missing.png", pairs[0].target, "scene")
    batches = batches_of([*pairs, missing], seed=seed, share=Share(3, passes=3))
    names = [batches.crops.pair(sample).name for sample in range(6)]
    with pytest.raises(PictureError, match=r"missing\.png"):
        list(batches)
    assert batches.state_dict() == {"position": names.index("missing") // 3 * 3}


def test_validation_is_on_centres(pairs: list[Pair]) -> None:
    degraded, clean = CentrePairs(pairs, 16)[4]
    assert clean.dtype == torch.float32
    assert (clean[:, 0, 0] * 255).round().tolist() == [7, 12, 4]
    assert (degraded[:, -1, -1] * 255).round().tolist() == [122, 127, 4]


@given(height=st.integers(1, 30), width=st.integers(1, 30), side=st.integers(1, 70))
def test_small_pictures_are_reflected(height: int, width: int, side: int) -> None:
    picture = torch.arange(height * width, dtype=torch.int32).view(1, height, width)
    large = grown(picture, side)
    assert large.shape == (1, max(height, side), max(width, side))
    assert torch.equal(large[:, :height, :width], picture)
    for axis, length in ((1, height), (2, width)):
        if large.shape[axis] > length > 1:
            mirror = max(length - 2, 0)
            assert torch.equal(large.select(axis, length), large.select(axis, mirror))
