"""What is measured in cells, against what is plain to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import grey_opening
from skimage import data

from ccnet.degradation import DEGRADATIONS
from ccnet.recognition.cells import (
    CELL,
    CHANNELS,
    LEVELS,
    SPOT,
    Floats,
    _contrasts,
    _spots,
    measure_cells,
    turned,
)

SPOTS = slice(8 * LEVELS, CHANNELS - 6)
FAINTEST = np.log(np.float32(1 / 255))


def photograph() -> Floats:
    pixels: Floats = data.coffee()[:384, :592].transpose(2, 0, 1)[None] / np.float32(255)
    return pixels


def test_there_is_a_column_of_measurements_for_each_cell() -> None:
    cells = measure_cells(photograph())
    assert cells.shape == (1, CHANNELS, 384 // CELL, 592 // CELL)
    assert cells.dtype == np.float32
    assert np.isfinite(cells).all()


def test_one_colour_has_no_contrast_and_no_spots() -> None:
    cells = measure_cells(np.full((1, 3, 64, 64), 0.25, np.float32))
    np.testing.assert_allclose(cells[:, :-6], FAINTEST)
    np.testing.assert_allclose(cells[:, -6:-1], 0.25)
    np.testing.assert_allclose(cells[:, -1], 0)


def test_steps_across_and_down_are_told_apart() -> None:
    stripes = np.zeros((1, 3, 64, 64), np.float32)
    stripes[..., ::2] = 1
    across, down = np.exp(measure_cells(stripes)[0, :2])
    np.testing.assert_allclose(across[:, :-1], 1, rtol=1e-6)
    assert (down <= 1 / 254).all()


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_contrasts_are_pooled_differences(seed: int, rows: int, columns: int) -> None:
    shape = (2, rows * CELL, columns * CELL)
    luminance = np.random.default_rng(seed).random(shape, dtype=np.float32)
    found = torch.from_numpy(np.stack(_contrasts(luminance), 1))
    wanted = []
    level = torch.from_numpy(luminance)[:, None]
    for side in (16, 8, 4, 2):
        padded = F.pad(level, (1, 1, 0, 1), mode="replicate")
        kernels = torch.zeros(4, 1, 2, 3)
        kernels[:, 0, 0, 1] = -1
        kernels[[0, 1, 2, 3], 0, [0, 1, 1, 1], [2, 1, 2, 0]] = 1
        differences = F.conv2d(padded, kernels).abs()
        wanted += [F.avg_pool2d(differences, side), F.max_pool2d(differences, side)]
        level = F.avg_pool2d(level, 2)
    torch.testing.assert_close(found, torch.cat(wanted, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("mirrored", "transposed"), [(True, False), (False, True), (True, True)])
def test_turning_a_picture_moves_its_measurements(mirrored: bool, transposed: bool) -> None:
    picture = photograph()[..., :384]
    other = picture.swapaxes(2, 3) if transposed else picture
    other = other[..., ::-1] if mirrored else other
    mean = measure_cells(picture).mean((0, 2, 3))
    expected = measure_cells(other).mean((0, 2, 3))
    np.testing.assert_allclose(mean[turned(mirrored, transposed)], expected, rtol=0, atol=0.04)


def test_spots_are_top_hats() -> None:
    luminance = photograph().mean(1)
    maxima = _spots(luminance, luminance)[2]
    white = luminance[0] - grey_opening(luminance[0], (SPOT, SPOT))
    inside = white.reshape(384 // CELL, CELL, 592 // CELL, CELL).max((1, 3))
    np.testing.assert_allclose(maxima[0, 1:-1, 1:-1], inside[1:-1, 1:-1], atol=1e-6)


def test_degradations_change_what_is_meant_to_show_them() -> None:
    clean = photograph()
    before = measure_cells(clean).mean((0, 2, 3))
    after = {}
    for kind, degrade in DEGRADATIONS.items():
        made = degrade(torch.from_numpy(clean), torch.Generator().manual_seed(5), 0.6)
        after[kind] = measure_cells(made.numpy()).mean((0, 2, 3))
    finest = slice(0, 4)
    assert (after["blur"][finest] < before[finest] - 0.3).all()
    assert (after["snow"][SPOTS][1::4] > before[SPOTS][1::4]).any()
    assert after["haze"][-3] > before[-3] + 0.1  # the darkest of each cell
