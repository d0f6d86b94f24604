"""What restoring changes is smoothed where nothing moves, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.transform import resize

from ccnet.video.steady import CELLS, LASTING, Steady, cell_averages, is_cut

Floats = NDArray[np.float32]
SIZE = (90, 120)


def picture(photograph: NDArray[np.uint8]) -> Floats:
    resized: Floats = resize(photograph, SIZE, anti_aliasing=True).astype(np.float32)
    return resized


def level(value: float) -> Floats:
    return np.full((*SIZE, 3), value, np.float32)


def cuts(frames: Sequence[Floats]) -> list[int]:
    """The frames with which another shot begins."""
    cells = map(cell_averages, frames)
    return [index for index, pair in enumerate(pairwise(cells), 1) if is_cut(*pair)]


def test_cells_average_what_lies_in_them() -> None:
    values = np.random.default_rng(0).random((*SIZE, 3), np.float32)
    side = SIZE[0] // CELLS
    expected = values.reshape(CELLS, side, SIZE[1] // side, side, 3).mean((1, 3))
    np.testing.assert_allclose(cell_averages(values), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (97, 63), (31, 32)])
def test_any_size_has_cells_that_average_to_the_whole(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((*size, 3), np.float32)
    means = cell_averages(values).mean((0, 1))
    np.testing.assert_allclose(means, values.mean((0, 1)), atol=1e-5)
    np.testing.assert_allclose(Steady()(values, values, 0), values, atol=1e-6)


def test_a_change_that_stays_the_same_stays_exactly() -> None:
    steady, before = Steady(), picture(data.astronaut())
    change = (0.3 - before) * 0.5
    for index in range(5):
        np.testing.assert_allclose(steady(before, change, index / 25), change, atol=1e-6)


def test_flicker_over_a_still_picture_is_smoothed_and_detail_is_not() -> None:
    steady, before = Steady(), picture(data.astronaut())
    detail = np.random.default_rng(0).normal(0, 0.1, before.shape).astype(np.float32)
    results = [
        steady(before, detail + level(0.1 * (-1) ** index), index / 25) for index in range(50)
    ]
    steps = [np.abs((b - a).mean()) for a, b in pairwise(results[25:])]
    assert max(steps) < 0.2 / 5  # of the 0.2 by which it goes up and down
    for result in results:
        smooth = result - detail
        np.testing.assert_allclose(smooth - smooth.mean(), 0, atol=1e-3)


@pytest.mark.parametrize("rate", [5, 25, 60])
def test_how_fast_it_follows_is_a_matter_of_time_and_not_of_frames(rate: int) -> None:
    steady, before = Steady(), picture(data.astronaut())
    steady(before, level(0), 0)
    for index in range(1, round(LASTING * rate) + 1):
        result = steady(before, level(1), index / rate)
    assert result.mean() == pytest.approx(1 - np.exp(-round(LASTING * rate) / rate / LASTING), 1e-3)


def test_what_moves_is_not_smoothed() -> None:
    """Something dark passes a wall; where it was and is, the change is the frame's own."""
    steady = Steady()
    frames, results = [], []
    for index in range(10):
        before, change = level(0.7), level(-0.4)
        place = np.s_[30:60, 12 * index : 12 * index + 12]
        before[place], change[place] = 0.1, 0
        frames.append(before)
        results.append((steady(before, change, index / 25), change, place))
    assert cuts(frames) == []
    for result, change, place in results:
        np.testing.assert_allclose(result[place].mean(), change[place].mean(), atol=0.02)


def test_a_cut_starts_anew() -> None:
    """Two hazy shots, whose veil makes them alike."""
    steady = Steady()
    shots = [picture(data.astronaut()) * 0.3 + 0.6, picture(data.coffee()) * 0.3 + 0.5]
    noise = np.random.default_rng(0).normal(0, 0.01, (20, *SIZE, 3)).astype(np.float32)
    frames = [shots[index // 10] + noise[index] for index in range(20)]
    assert cuts(frames) == [10]
    for index, before in enumerate(frames):
        change = level(0.2 if index < 10 else -0.2)
        result = steady(before, change, index / 25)
        if index in (0, 10):
            np.testing.assert_allclose(result, change, atol=1e-6)


def test_a_camera_that_moves_and_a_dissolve_are_no_cuts() -> None:
    wide: Floats = resize(data.astronaut(), (90, 200), anti_aliasing=True).astype(np.float32)
    assert cuts([wide[:, start : start + 120] for start in range(0, 80, 2)]) == []
    one, other = wide[:, :120], picture(data.coffee())
    assert cuts([one + (other - one) * np.float32(index / 25) for index in range(26)]) == []


def test_frames_of_another_size_are_another_shot() -> None:
    steady = Steady()
    steady(level(0.5), level(0.1), 0)
    other = np.full((50, 200, 3), 0.5, np.float32)
    np.testing.assert_allclose(steady(other, other * 0.2, 0.04), other * 0.2, atol=1e-6)
    assert cuts([level(0.5), other]) == [1]
