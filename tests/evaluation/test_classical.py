"""Classical baselines against SciPy, and on what they are made for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from ccnet.evaluation.classical import Pixels, deconvolve, filter_median, sharpen

Filter = Callable[[Pixels], Pixels]
ALL = pytest.mark.parametrize("restore", [filter_median, sharpen, deconvolve])


def clear() -> Pixels:
    pixels: Pixels = (data.astronaut()[:90, 100:230] / 255).astype(np.float32)
    return pixels


@ALL
@given(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1)))
@settings(max_examples=20)
def test_any_picture_keeps_its_shape_and_range(restore: Filter, size: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(size[2]).random((*size[:2], 3), np.float32)
    before = picture.copy()
    restored = restore(picture)
    assert restored.shape == picture.shape
    assert restored.dtype == np.float32
    assert 0 <= restored.min() <= restored.max() <= 1
    assert np.array_equal(picture, before)


@ALL
def test_what_is_flat_stays(restore: Filter) -> None:
    flat = np.full((30, 40, 3), (0.2, 0.5, 0.9), np.float32)
    assert restore(flat) == pytest.approx(flat, abs=1e-5)


def test_the_median_is_scipys_of_each_channel() -> None:
    expected = np.dstack([ndimage.median_filter(clear()[..., c], 3) for c in range(3)])
    assert np.array_equal(filter_median(clear()), expected)


def test_the_median_takes_small_flakes_away() -> None:
    snowy = np.full((20, 20, 3), 0.3, np.float32)
    snowy[4, 5] = snowy[10, 10:12] = 1
    assert (filter_median(snowy) == np.float32(0.3)).all()


def test_sharpening_adds_what_a_gaussian_takes() -> None:
    blurred = ndimage.gaussian_filter(clear(), (1, 1, 0), mode="reflect")
    expected = (clear() + 0.25 * (clear() - blurred)).clip(0, 1)
    assert sharpen(clear()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("restore", [sharpen, deconvolve])
def test_a_gaussian_blur_is_undone_in_part(restore: Filter) -> None:
    blurry = ndimage.gaussian_filter(clear(), (1, 1, 0))
    before, after = (peak_signal_noise_ratio(clear(), one) for one in (blurry, restore(blurry)))
    assert after > before + 0.5
