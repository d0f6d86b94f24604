"""Blur lies on the clean picture, grows with strength, and spares what it should spare."""

import numpy as np
import pytest
import torch
from skimage import color, data
from skimage.registration import phase_cross_correlation

from ccnet.degradation.blur import add_blur, from_light, random_length, to_light


def photograph(side: int = 96) -> torch.Tensor:
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="area")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def number(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), value)


def test_more_strength_leaves_less_of_the_picture() -> None:
    clean = photograph().expand(16, -1, -1, -1)
    errors = [
        (add_blur(clean, seeded(), strength) - clean).square().mean((1, 2, 3)).log10().mean()
        for strength in (0.1, 0.3, 1.0)
    ]
    assert errors[0] < errors[1] - 0.15
    assert errors[1] < errors[2] - 0.15


def test_blur_does_not_shift_pictures() -> None:
    clean = photograph(128).expand(24, -1, -1, -1)
    blurry = add_blur(clean, seeded(), strength=0.5)
    shifts = np.array(
        [
            phase_cross_correlation(
                one.mean(0).numpy(), other.mean(0).numpy(), upsample_factor=10, normalization=None
            )[0]
            for one, other in zip(clean, blurry, strict=True)
        ]
    )
    assert (np.abs(shifts.mean(0)) < 0.4).all()
    assert np.abs(shifts).max() < 5


def test_fine_detail_goes_and_brightness_nearly_stays() -> None:
    clean = photograph().expand(16, -1, -1, -1)
    blurry = add_blur(clean, seeded(), strength=0.6)
    assert blurry.diff(dim=3).abs().mean() < 0.7 * clean.diff(dim=3).abs().mean()
    # Light adds up before a curve that is steeper in the dark, so values rise a little.
    assert 0 < blurry.mean() - clean.mean() < 0.06


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_plain_pictures_stay_plain(value: float) -> None:
    clean = torch.full((60, 3, 40, 50), value)
    change = (add_blur(clean, seeded(), strength=1) - clean).abs()
    # About half have neither noise nor JPEG.
    assert 20 < (change.amax((1, 2, 3)) < 1e-4).sum() < 40
    assert change.mean((1, 2, 3)).max() < 0.05


def test_light_is_that_of_srgb_below_the_knee_and_white_above() -> None:
    grays = torch.linspace(0, 1, 100).expand(1, 3, 1, -1)
    luminance = color.rgb2xyz(grays[0].permute(1, 2, 0).double().numpy())[..., 1]
    light = to_light(grays, number(0.5), number(1.0))
    np.testing.assert_allclose(light[0, 0], luminance, atol=1e-5)
    light = to_light(grays, number(0.5), number(7.0))
    below = luminance < 0.5
    np.testing.assert_allclose(light[0, 0].numpy()[below], luminance[below], atol=1e-5)
    assert light.max().item() == pytest.approx(7, rel=1e-4)
    assert (light.diff(dim=3) > 0).all()
    at_knee = torch.from_numpy((luminance > 0.4) & (luminance < 0.55))[0]
    slopes = light[0, 0, 0, at_knee].diff()
    assert (slopes[1:] / slopes[:-1]).max() < 1.15


@pytest.mark.parametrize(("knee", "white"), [(0.2, 1.0), (0.8, 1.3), (0.3, 10.0)])
def test_the_tone_curve_can_be_undone_and_clips(knee: float, white: float) -> None:
    pictures = torch.rand(2, 3, 20, 20, generator=seeded())
    light = to_light(pictures, number(knee), number(white))
    again = from_light(light, number(knee), number(white))
    torch.testing.assert_close(again, pictures, atol=1e-5, rtol=0)
    beyond = from_light(
        torch.tensor([-0.1, 3 * white]).view(1, 1, 1, 2), number(knee), number(white)
    )
    torch.testing.assert_close(beyond.flatten(), torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0)


def test_drawn_lengths_fill_the_range_and_shrink_with_the_picture() -> None:
    lengths = random_length(torch.zeros(2000, 3, 256, 256), seeded(), None)
    assert lengths.min() >= 2
    assert lengths.max() <= 40
    assert lengths.median().item() == pytest.approx(80**0.5, rel=0.1)
    assert random_length(torch.zeros(1, 3, 64, 300), seeded(), 1).item() == 16
