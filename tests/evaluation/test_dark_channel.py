"""The dark channel prior against scipy's filters and a scene of known haze."""

from __future__ import annotations

import numpy as np
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
