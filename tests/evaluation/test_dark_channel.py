"""The dark channel prior against scipy's filters and a scene of known haze."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter
from skimage import data

from ccnet.evaluation import dark_channel


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=30)
def test_the_dark_channel_is_scipys_minimum(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).random((3, height, width), np.float32)
    dark = dark_channel._dark_channel(torch.from_numpy(picture))
    assert np.array_equal(dark.numpy(), minimum_filter(picture.min(0), 15))


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=20)
def test_any_size_stays_in_range(height: int, width: int) -> None:
    picture = np.random.default_rng(height).random((height, width, 3), np.float32)
    restored = dark_channel.remove_haze(picture)
    assert restored.shape == picture.shape
    assert restored.dtype == np.float32
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_black_stays_black() -> None:
    assert not dark_channel.remove_haze(np.zeros((20, 20, 3), np.float32)).any()


def test_haze_of_the_model_it_assumes_comes_off() -> None:
    clear = (data.astronaut()[::2, ::2] / 255).astype(np.float32)
    hazy = clear * np.float32(0.5) + np.float32(0.45)  # transmission 0.5, airlight 0.9
    restored = dark_channel.remove_haze(hazy)
    assert np.square(restored - clear).mean() < 0.25 * np.square(hazy - clear).mean()


def test_a_little_haze_is_kept() -> None:
    clear = np.zeros((120, 160, 3), np.float32)
    clear[::5, ::5] = 0.7
    hazy = clear * np.float32(0.5) + np.float32(0.45)  # transmission 0.5, airlight 0.9
    hazy[:20, :20] = 0.9
    far = dark_channel.remove_haze(hazy)[90:, 90:]
    # With all haze gone the darkest would be 0: 5% of what it is taken for stay.
    transmission = 1 - 0.95 * 0.5
    assert far.min() == pytest.approx((0.45 - 0.9) / transmission + 0.9, abs=1e-3)
    assert far.max() == pytest.approx((0.8 - 0.9) / transmission + 0.9, abs=1e-3)


def test_the_airlight_is_the_brightest_where_haze_is_densest() -> None:
    picture = torch.full((3, 50, 40), 0.99)
    dark = torch.zeros(50, 40)
    dark[3, 4:7] = 0.8  # two in two thousand count, and the third for its tie
    picture[:, 3, 4:7] = torch.tensor([[0.8, 0.9, 0.9], [0.8, 0.8, 0.8], [0.8, 0.95, 0.9]])
    airlight = dark_channel._airlight(picture, dark)
    torch.testing.assert_close(airlight, torch.tensor((0.9, 0.8, 0.95)))
