"""Haze obeys Koschmieder's law and spares what it should spare."""

import pytest
import torch
from skimage import data

from ccnet.degradation.haze import (
    add_haze,
    apply_haze,
    how_much_night,
    raise_lamps,
    random_airlight,
    random_transmission,
)
from ccnet.degradation.light import vary_light


def photograph(side: int = 96) -> torch.Tensor:
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="area")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_full_transmission_is_the_scene_and_none_is_the_airlight() -> None:
    clean = photograph()
    airlight = torch.tensor([0.9, 0.8, 0.7]).view(1, 3, 1, 1)
    assert torch.equal(apply_haze(clean, torch.ones(1), airlight), clean)
    foggy = apply_haze(clean, torch.zeros(1), airlight)
    assert torch.equal(foggy, airlight.expand_as(clean))


def test_haze_can_be_taken_off_again_by_the_law_itself() -> None:
    clean = photograph()
    transmission = random_transmission(clean, seeded(), 0.5)
    airlight = random_airlight(clean, seeded(1))
    hazy = apply_haze(clean, transmission, airlight)
    torch.testing.assert_close(
        (hazy - airlight) / transmission + airlight, clean, atol=1e-5, rtol=0
    )


def test_transmission_falls_with_strength_everywhere() -> None:
    clean = photograph().expand(4, -1, -1, -1)
    light, dense = (random_transmission(clean, seeded(), s) for s in (0.2, 0.9))
    assert (dense <= light).all()
    assert dense.mean() < light.mean() - 0.2


def test_haze_lowers_contrast() -> None:
    clean = photograph().expand(16, -1, -1, -1)
    hazy = add_haze(clean, seeded(), strength=0.8)
    assert hazy.std(dim=(1, 2, 3)).mean() < 0.6 * clean.std(dim=(1, 2, 3)).mean()


def test_other_light_keeps_range_and_order() -> None:
    ramp = torch.linspace(0, 1, 64).expand(8, 3, 4, 64)
    varied = vary_light(ramp, seeded())
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert (varied.diff(dim=3) >= 0).all()
    assert not torch.equal(varied, ramp)


def test_lamps_at_night_stay_white_and_daylight_is_left_alone() -> None:
    night = torch.full((1, 3, 64, 64), 0.03)
    night[:, :, 30:34, 30:34] = 1
    transmission = torch.tensor(0.3)
    dense = apply_haze(raise_lamps(night, transmission), transmission, torch.tensor(0.4))
    assert (dense[:, :, 30:34, 30:34] >= 1).all()
    assert dense[0, 0, 0, 0] < 0.32
    day = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(raise_lamps(day, transmission), day)
    assert torch.equal(raise_lamps(night, torch.tensor(1.0)), night)


def test_the_air_before_half_of_what_is_dark_is_that_of_a_night() -> None:
    day = random_airlight(torch.full((200, 3, 8, 8), 0.4), seeded())
    dark = random_airlight(torch.full((200, 3, 8, 8), 0.1), seeded()).mean((1, 2, 3))
    assert day.mean() > 0.75
    # Half of what is that dark is a room or a shadow in daylight.
    assert 0.3 < (dark < 0.45).float().mean() < 0.7
    between = torch.full((1, 3, 8, 8), 0.225)
    assert how_much_night(between).item() == pytest.approx(0.5, abs=1e-5)
