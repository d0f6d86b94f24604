"""What is measured in cells, against what is plain to see."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import grey_opening
from skimage import data
from torch import Tensor

from ccnet.degradation import DEGRADATIONS
from ccnet.recognition.cells import CELL, CHANNELS, LEVELS, SPOT, _spots, measure_cells, turned

SPOTS = slice(8 * LEVELS, CHANNELS - 6)


def photograph() -> Tensor:
    return torch.from_numpy(data.coffee()[:384, :592].copy()).permute(2, 0, 1)[None] / 255


def test_there_is_a_column_of_measurements_for_each_cell() -> None:
    cells = measure_cells(photograph())
    assert cells.shape == (1, CHANNELS, 384 // CELL, 592 // CELL)
    assert cells.isfinite().all()


def test_one_colour_has_no_contrast_and_no_spots() -> None:
    cells = measure_cells(torch.full((1, 3, 64, 64), 0.25))
    assert torch.allclose(cells[:, :-6], torch.tensor(1 / 255).log())
    assert torch.allclose(cells[:, -6:-1], torch.tensor(0.25))
    assert torch.allclose(cells[:, -1], torch.tensor(0.0), atol=1e-6)


def test_steps_across_and_down_are_told_apart() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    across, down = measure_cells(stripes)[0, :2].exp()
    assert torch.allclose(across[:, :-1], torch.tensor(1.0))
    assert (down <= 1 / 254).all()


@pytest.mark.parametrize(("mirrored", "transposed"), [(True, False), (False, True), (True, True)])
def test_turning_a_picture_moves_its_measurements(mirrored: bool, transposed: bool) -> None:
    picture = photograph()[..., :384]
    other = picture.transpose(2, 3) if transposed else picture
    other = other.flip(3) if mirrored else other
    mean = measure_cells(picture).mean((0, 2, 3))
    expected = measure_cells(other).mean((0, 2, 3))
    torch.testing.assert_close(mean[turned(mirrored, transposed)], expected, rtol=0, atol=0.04)


def test_spots_are_top_hats() -> None:
    luminance = photograph().mean(1, keepdim=True)
    maxima = _spots(luminance, luminance)[1]
    white = luminance[0, 0].numpy()
    white = white - grey_opening(white, (SPOT, SPOT))
    inside = torch.from_numpy(white).unfold(0, CELL, CELL).unfold(1, CELL, CELL).amax((2, 3))
    torch.testing.assert_close(maxima[0, 0, 1:-1, 1:-1], inside[1:-1, 1:-1])


def test_degradations_change_what_is_meant_to_show_them() -> None:
    clean = photograph()
    before = measure_cells(clean).mean((0, 2, 3))
    after = {}
    for kind, degrade in DEGRADATIONS.items():
        made = degrade(clean, torch.Generator().manual_seed(5), 0.6)
        after[kind] = measure_cells(made).mean((0, 2, 3))
    finest = slice(0, 4)
    assert (after["blur"][finest] < before[finest] - 0.3).all()
    assert (after["snow"][SPOTS][1::4] > before[SPOTS][1::4]).any()
    assert after["haze"][-3] > before[-3] + 0.1  # the darkest of each cell
