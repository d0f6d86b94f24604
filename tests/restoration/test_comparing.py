"""PSNR, SSIM and pictures of what differs, against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ccnet.errors import PictureError
from ccnet.images import Picture
from ccnet.restoration.comparing import GAIN, difference, psnr, side_by_side, ssim


def pair(height: int, width: int, seed: int) -> tuple[Picture, Picture]:
    clear = data.astronaut()[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 20, clear.shape)
    return Picture(clear), Picture(np.clip(clear + noise, 0, 255).astype(np.uint8))


@settings(max_examples=15)
@given(height=st.integers(11, 300), width=st.integers(11, 60), seed=st.integers(0, 99))
def test_psnr_and_ssim_are_those_of_scikit_image(height: int, width: int, seed: int) -> None:
    before, after = pair(height, width, seed)
    assert psnr(before, after) == pytest.approx(
        peak_signal_noise_ratio(before.pixels, after.pixels, data_range=255), abs=1e-4
    )
    _, similar = structural_similarity(
        before.pixels / 255,
        after.pixels / 255,
        data_range=1,
        channel_axis=2,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(before, after) == pytest.approx(similar[5:-5, 5:-5].mean(), abs=1e-5)


def test_equal_small_and_unlike_pictures() -> None:
    before, after = pair(20, 10, 0)
    assert psnr(before, before) == math.inf
    assert ssim(before, after) is None
    assert ssim(pair(30, 30, 0)[0], pair(30, 30, 0)[0]) == pytest.approx(1)
    with pytest.raises(PictureError, match="10 by 20 pixels and the other 10 by 21"):
        psnr(before, pair(21, 10, 0)[0])


def test_a_gray_picture_in_16_bits_is_compared_with_a_coloured_one() -> None:
    gray = np.tile(np.linspace(0, 65_535, 40).astype(np.uint16), (300, 1))[:, :, None]
    colours = np.repeat((gray // 257).astype(np.uint8), 3, axis=2)
    before, after = Picture(gray, space="gray", bits=16), Picture(colours)
    assert psnr(before, after) > 50
    both = side_by_side(before, after).pixels
    assert both.shape == (300, 82, 3)
    assert np.array_equal(both[:, 42:], colours)
    assert (both[:, 40:42] == 255).all()
    assert int(np.abs(both[:, :40].astype(int) - colours).max()) <= 1
    apart = difference(Picture(colours), Picture(np.zeros_like(colours))).pixels
    assert np.array_equal(apart, np.minimum(colours.astype(int) * GAIN, 255))
