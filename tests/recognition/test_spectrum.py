"""The spectrum in directions, against waves, motion and lenses that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, uniform_filter1d
from skimage import data

from ccnet.recognition.cells import Floats
from ccnet.recognition.spectrum import (
    BANDS,
    DIRECTIONS,
    FREQUENCIES,
    MEASURED,
    measure_spectrum,
)
from ccnet.recognition.views import DETAIL


def details(pixels: Floats) -> Floats:
    """Cut a picture (H, W) to gray details."""
    rows, columns = (length // DETAIL for length in pixels.shape)
    cut = pixels[: rows * DETAIL, : columns * DETAIL].reshape(rows, DETAIL, columns, DETAIL)
    gray = cut.swapaxes(1, 2).reshape(-1, 1, DETAIL, DETAIL)
    return np.ascontiguousarray(np.broadcast_to(gray, (len(gray), 3, DETAIL, DETAIL)), np.float32)


def photograph() -> Floats:
    pixels: Floats = data.coffee().mean(2).astype(np.float32) / 255
    return pixels


@given(direction=st.integers(0, DIRECTIONS - 1), band=st.integers(1, BANDS - 1))
def test_a_wave_is_found_where_it_is(direction: int, band: int) -> None:
    angle = direction / DIRECTIONS * math.pi - math.pi / 2
    frequency = (FREQUENCIES[band] + FREQUENCIES[band + 1]) / 2
    down, across = np.mgrid[:DETAIL, :DETAIL]
    phase = 2 * math.pi * frequency * (math.sin(angle) * down + math.cos(angle) * across)
    wave = (0.5 + 0.3 * np.cos(phase)).astype(np.float32)
    measured = measure_spectrum(np.broadcast_to(wave, (2, 3, DETAIL, DETAIL)))
    assert measured.shape == (MEASURED, DIRECTIONS)
    own = measured[:BANDS]
    assert own.argmax() == band * DIRECTIONS + direction
    beside = (direction + DIRECTIONS // 2) % DIRECTIONS
    assert measured[BANDS + band, beside] == own[band, direction]
    np.testing.assert_allclose(
        measured[2 * BANDS :], own.mean(1, keepdims=True).repeat(12, 1), 1e-5
    )


def test_white_noise_is_alike_everywhere_and_as_strong_as_it_is() -> None:
    noise = np.random.default_rng(0).normal(0.5, 0.1, (60, 1, DETAIL, DETAIL)).astype(np.float32)
    measured = measure_spectrum(noise.repeat(3, 1))
    # The mean logarithm of what is distributed exponentially lies Euler's constant below the mean.
    np.testing.assert_allclose(measured[2:BANDS], math.log(0.01) - 0.5772, atol=0.2)


def test_one_colour_has_the_power_of_rounding() -> None:
    measured = measure_spectrum(np.full((8, 3, DETAIL, DETAIL), 0.3, np.float32))
    np.testing.assert_allclose(measured, math.log(1 / 12 / 255**2), atol=1e-3)


@pytest.mark.parametrize("length", [6, 12])
def test_motion_takes_what_is_fine_along_its_path_alone(length: int) -> None:
    sharp = photograph()
    before = measure_spectrum(details(sharp))
    moved = measure_spectrum(details(uniform_filter1d(sharp, length, axis=1))) - before
    soft = measure_spectrum(details(gaussian_filter(sharp, 1.2))) - before
    across_the_path, along_it = 0, DIRECTIONS // 2  # waves that run down, and to the right
    fine = slice(BANDS // 2, BANDS)
    assert (moved[fine, along_it] < moved[fine, across_the_path] - 1.5).all()
    assert np.abs(moved[fine, across_the_path]).max() < 0.7
    assert np.abs(soft[fine, along_it] - soft[fine, across_the_path]).max() < 0.7
