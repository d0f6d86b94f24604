"""Light that gathers while a picture moves: conserved, and where the motion takes it."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from ccnet.degradation.exposure import fill, integrate, random_cover, random_nearness
from ccnet.degradation.trajectories import COORDINATES, random_paths, sample_evenly

SIDE = 64
SHIFT_RIGHT, SHIFT_DOWN, ROTATION, ZOOM, OBJECT_RIGHT, OBJECT_DOWN = range(COORDINATES)


def photograph() -> torch.Tensor:
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, size=(SIDE, SIDE), mode="area")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def line(coordinate: int, length: float, instants: int = 41) -> tuple[torch.Tensor, torch.Tensor]:
    """Steady motion in one coordinate, around 0."""
    positions = torch.zeros(1, instants, COORDINATES)
    positions[:, :, coordinate] = torch.linspace(-length / 2, length / 2, instants)
    return positions, torch.full((1, instants), 1 / instants)


@pytest.mark.parametrize(("coordinate", "right", "down"), [(SHIFT_RIGHT, 1, 0), (SHIFT_DOWN, 0, 1)])
def test_a_shift_is_the_mean_of_shifted_pictures(coordinate: int, right: int, down: int) -> None:
    light = photograph()
    positions, weights = line(coordinate, 3, 7)
    blurry = integrate(light, positions, weights)[0].numpy()
    shifts = np.linspace(-1.5, 1.5, 7)
    reference = np.mean(
        [
            ndimage.shift(light[0], (0, down * s, right * s), order=1, mode="reflect")
            for s in shifts
        ],
        axis=0,
    )
    np.testing.assert_allclose(blurry, reference, atol=1e-4)


def test_a_point_of_light_becomes_a_streak_of_the_paths_length_with_the_same_light() -> None:
    light = torch.zeros(1, 3, SIDE, SIDE + 20)
    light[:, :, 30, 40] = 1
    streak = integrate(light, *line(SHIFT_RIGHT, 20))[0, 0]
    assert streak.sum().item() == pytest.approx(1, abs=1e-5)
    assert streak[30].sum().item() == pytest.approx(1, abs=1e-5)
    columns = torch.arange(SIDE + 20.0)
    assert (streak[30] * columns).sum().item() == pytest.approx(40, abs=1e-3)
    # A uniform streak has the variance length**2 / 12, and a pixel's triangle adds 1/6.
    variance = (streak[30] * (columns - 40).square()).sum().item()
    assert variance == pytest.approx(20**2 / 12 + 1 / 6, rel=0.06)
    assert (streak[30, 31:50] > 0.5 / 21).all()


def test_rotation_and_zoom_leave_the_centre_and_blur_the_border() -> None:
    light = torch.rand(1, 3, SIDE, SIDE, generator=seeded())
    for coordinate in (ROTATION, ZOOM):
        change = (integrate(light, *line(coordinate, 10)) - light).abs().mean((0, 1))
        middle = slice(SIDE // 2 - 2, SIDE // 2 + 2)
        assert change[middle, middle].mean() < 0.35 * change[:8].mean()
    across = torch.arange(SIDE) - (SIDE - 1) / 2
    radius = (across[:, None].square() + across.square()).sqrt()
    disc = torch.sigmoid(20 - radius).expand(1, 3, -1, -1)
    turned = (integrate(disc, *line(ROTATION, 6)) - disc).abs().max()
    zoomed = (integrate(disc, *line(ZOOM, 6)) - disc).abs().max()
    assert turned < 0.3 * zoomed


def test_light_is_kept_on_random_paths() -> None:
    """A patch far from the borders, so that none of its light leaves."""
    light = torch.zeros(8, 3, 96, 96)
    light[:, :, 40:56, 40:56] = torch.rand(8, 3, 16, 16, generator=seeded())
    positions, weights = sample_evenly(random_paths(light, seeded(1)), 28)
    positions[:, :, ZOOM] = 0
    blurry = integrate(light, 10 * positions, weights)
    torch.testing.assert_close(blurry.sum((2, 3)), light.sum((2, 3)), rtol=0.01, atol=0)


def test_nothing_changes_where_nothing_moves_whatever_the_object() -> None:
    light = photograph().expand(6, -1, -1, -1)
    still = torch.zeros(6, 4, COORDINATES)
    weights = torch.full((6, 4), 0.25)
    blurry = integrate(
        light, still, weights, random_nearness(light, seeded()), random_cover(light, seeded())
    )
    torch.testing.assert_close(blurry, light, atol=2e-5, rtol=0)


def test_a_constant_picture_stays_itself() -> None:
    light = torch.full((6, 3, 40, 50), 0.3)
    positions, weights = sample_evenly(random_paths(light, seeded()), 28)
    cover = random_cover(torch.rand(6, 3, 40, 50, generator=seeded()), seeded())
    blurry = integrate(light, 10 * positions, weights, random_nearness(light, seeded()), cover)
    torch.testing.assert_close(blurry, light, atol=1e-5, rtol=0)


def test_an_object_moves_alone_and_its_surroundings_show_behind_it() -> None:
    light = torch.full((1, 3, SIDE, SIDE), 0.2)
    light[..., 20:44, 20:44] = 0.9
    inside = light[:, :1] > 0.5
    cover = 2 * inside.float()
    scene = light.clone()
    scene[..., :4] = torch.rand(1, 3, SIDE, 4, generator=seeded())
    blurry = integrate(scene, *line(OBJECT_RIGHT, 12), cover=cover)
    torch.testing.assert_close(blurry[..., :12], scene[..., :12], atol=1e-5, rtol=0)
    profile = blurry[0, 0, 32]
    # The edge becomes a ramp of 12 pixels around where it was, halfway between both lights.
    assert profile[13].item() == pytest.approx(0.2, abs=0.03)
    assert profile[19:21].mean().item() == pytest.approx(0.55, abs=0.06)
    assert profile[27].item() == pytest.approx(0.9, abs=0.03)
    assert (profile[13:27].diff() > 0).all()


def test_near_places_move_more() -> None:
    light = torch.rand(1, 3, SIDE, SIDE, generator=seeded())
    nearness = torch.cat((torch.zeros(1, 1, SIDE, 32), torch.ones(1, 1, SIDE, 32)), 3)
    blurry = integrate(light, *line(SHIFT_DOWN, 9), nearness=nearness)
    torch.testing.assert_close(blurry[..., :32], light[..., :32], atol=1e-5, rtol=0)
    assert blurry[..., 32:].std() < 0.5 * light[..., 32:].std()


def test_filling_takes_what_is_around() -> None:
    light = torch.full((1, 3, SIDE, SIDE), 0.4)
    known = torch.ones(1, 1, SIDE, SIDE)
    light[..., 24:40, 24:40] = 1
    known[..., 24:40, 24:40] = 0
    torch.testing.assert_close(fill(light, known), torch.full_like(light, 0.4), atol=1e-4, rtol=0)
    assert fill(light, torch.zeros_like(known)).isfinite().all()
