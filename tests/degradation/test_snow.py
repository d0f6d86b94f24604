"""Snow covers what is behind it by its mask, and no more where none falls."""

import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.feature import structure_tensor
from skimage.measure import label, regionprops

from ccnet.degradation import snow
from ccnet.degradation.haze import apply_haze
from ccnet.degradation.snow import (
    MIDDLE,
    NEAR,
    SMALL,
    Fall,
    Layer,
    add_snow,
    cover,
    dusk_tint,
    far_mask,
    flake_light,
    layer_mask,
    random_fall,
    random_veil,
)


def photograph(side: int = 96) -> torch.Tensor:
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="area")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def falling(count: int, amount: float = 1, degrees: float = 90, speed: float = 0) -> Fall:
    values = (amount, math.radians(degrees), 0.0, speed)
    return Fall(*(torch.full((count, 1), float(value)) for value in values))


def test_a_black_scene_shows_the_mask_and_a_mask_of_zeros_the_scene() -> None:
    mask = torch.rand(2, 1, 40, 50, generator=seeded())
    white, black = torch.ones(2, 3, 40, 50), torch.zeros(2, 3, 40, 50)
    assert torch.equal(cover(black, mask, white), mask.expand_as(white))
    scene = photograph()
    assert torch.equal(cover(scene, torch.zeros(1), torch.ones(1)), scene)


def test_a_covered_place_lies_between_scene_and_flake() -> None:
    clean = photograph().expand(4, -1, -1, -1)
    light = flake_light(clean, seeded()) * dusk_tint(clean, seeded(1))
    mask = far_mask(clean, falling(4), seeded())
    snowy = cover(clean, mask, light)
    assert (snowy >= torch.minimum(clean, light) - 1e-6).all()
    assert (snowy <= torch.maximum(clean, light) + 1e-6).all()


@pytest.mark.parametrize("layer", [SMALL, MIDDLE, NEAR])
def test_heavier_snow_has_more_flakes_in_each_layer(layer: Layer) -> None:
    clean = torch.zeros(24, 3, 96, 96)
    light, heavy = (layer_mask(clean, layer, falling(24, s), seeded())[0] for s in (0.2, 0.9))
    assert heavy.mean() > 2 * light.mean() > 0
    light, heavy = (far_mask(clean, falling(24, s), seeded()) for s in (0.2, 0.9))
    assert heavy.mean() > 2 * light.mean() > 0


def test_heavier_snow_changes_the_picture_more() -> None:
    clean = photograph().expand(24, -1, -1, -1)
    changes = [(add_snow(clean, seeded(), s) - clean).square().mean() for s in (0.1, 0.4, 1)]
    assert changes[0] < changes[1] < changes[2]


def test_flakes_of_nearer_layers_are_larger() -> None:
    small, middle, near = (
        largest_diameter(
            layer_mask(torch.zeros(1, 3, 400, 400), layer, falling(1, 0.2), seeded())[0]
        )
        for layer in (SMALL, MIDDLE, NEAR)
    )
    assert 2 < small < 7 < middle < 15 < near < 45


def largest_diameter(mask: torch.Tensor) -> float:
    found = regionprops(label((mask[0, 0] > mask.max() / 4).numpy()))
    return max(float(flake.equivalent_diameter_area) for flake in found)


@pytest.mark.parametrize("degrees", [45, 90, 120])
def test_streaks_have_the_direction_of_the_fall(degrees: int) -> None:
    clean = torch.zeros(12, 3, 128, 128)
    fall = falling(12, 0.7, degrees, speed=6)
    for masks in (far_mask(clean, fall, seeded()), layer_mask(clean, SMALL, fall, seeded())[0]):
        # Brightness changes least along the streaks: the structure tensor's smaller axis.
        tensors = np.array([structure_tensor(mask[0].numpy()) for mask in masks])
        down, both, across = tensors.sum(axis=(0, 2, 3))
        least = np.linalg.eigh([[down, both], [both, across]])[1][:, 0]
        angle = math.radians(degrees)
        assert abs(least @ [math.sin(angle), math.cos(angle)]) > math.cos(math.radians(6))


def test_the_veil_is_the_airlight_where_it_is_endless_and_the_scene_where_it_is_not() -> None:
    clean = photograph().expand(40, -1, -1, -1)
    light = flake_light(clean, seeded()).expand(-1, 3, -1, -1)
    endless, airlight = random_veil(clean, torch.full((40, 1), 1e5), light, seeded())
    veiled = apply_haze(clean, endless, airlight)
    there = endless.amax((1, 2, 3)) < 1
    assert 14 <= there.sum() <= 30  # 55%
    expected = torch.where(there[:, None, None, None], airlight, clean)
    torch.testing.assert_close(veiled, expected, atol=1e-5, rtol=0)
    none, _ = random_veil(clean, torch.zeros(40, 1), light, seeded())
    assert torch.equal(apply_haze(clean, none, airlight), clean)


def test_some_snow_streaks_and_some_does_not() -> None:
    speed = random_fall(torch.ones(500, 1), seeded()).speed
    assert 0.22 < (speed == 0).float().mean() < 0.38
    assert (speed > 4).float().mean() > 0.1


def test_flakes_at_night_are_dim() -> None:
    dark = flake_light(torch.full((64, 3, 32, 32), 0.02), seeded())
    bright = flake_light(torch.full((64, 3, 32, 32), 0.8), seeded())
    assert bright.min() >= 0.85
    assert dark.mean() < bright.mean() - 0.2


def test_the_whole_veil_lies_over_a_scene_without_flakes(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = photograph().expand(24, -1, -1, -1)
    none, airlight = torch.zeros(24, 1, 96, 96), torch.full((24, 3, 1, 1), 0.9)
    transmission = torch.full_like(none, 0.5)
    monkeypatch.setattr(snow, "far_mask", lambda *_: none)
    monkeypatch.setattr(snow, "layer_mask", lambda *_: (none, none))
    monkeypatch.setattr(snow, "random_veil", lambda *_: (transmission, airlight))
    monkeypatch.setattr(snow, "random_camera", lambda snowy, _: snowy)
    veiled = add_snow(clean, seeded(), 1)
    torch.testing.assert_close(veiled, apply_haze(clean, transmission, airlight))


def test_the_veil_before_near_flakes_covers_them_in_some_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what lies before all flakes is seen where they hide the scene."""
    clean = photograph().expand(40, -1, -1, -1)
    none, airlight = torch.zeros(40, 1, 96, 96), torch.zeros(40, 3, 1, 1)
    transmission = torch.full_like(none, 0.5)
    monkeypatch.setattr(snow, "flake_light", lambda *_: none + 1)
    monkeypatch.setattr(snow, "dusk_tint", lambda *_: torch.ones(1))
    monkeypatch.setattr(snow, "layer_mask", lambda *_: (none + 1, none + 1))
    monkeypatch.setattr(snow, "random_veil", lambda *_: (transmission, airlight))
    monkeypatch.setattr(snow, "random_camera", lambda snowy, _: snowy)
    seen = add_snow(clean, seeded(), 1).mean((1, 2, 3))
    assert 5 <= (seen < 0.999).sum() <= 20  # 30%
    assert seen.min() >= 0.5
