"""Averages of pictures that are only seen in tiles, by what a ramp of known mean tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.restoration.engines.averages import (
    SPREAD,
    SPREAD_SIDE,
    Core,
    measured_share,
    tiled_averages,
)
from ccnet.restoration.engines.engine import Averages, Floats

NONE = np.zeros(3, np.float32)


class Ramp:
    """A picture that takes no memory: brighter to the right in red, to below in green."""

    def __init__(self, height: int, width: int) -> None:
        right = np.linspace(0, 1, width, dtype=np.float32)
        down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        flat = np.float32(0.5)
        self.channels = [np.broadcast_to(each, (height, width)) for each in (right, down, flat)]
        self.shape = (height, width, 3)
        self.seen = 0

    def __getitem__(self, place: tuple[slice, slice]) -> Floats:
        cut = np.stack([channel[place] for channel in self.channels], axis=-1)
        self.seen += cut.shape[0] * cut.shape[1]
        return cut


def mean_of(tile: Floats, given: Averages, core: Core) -> Averages:
    assert not given.any()
    top, left, bottom, right = core
    part = tile[:, top:bottom, left:right]
    assert part.size
    mean: Averages = part.mean((0, 1, 2), dtype=np.float64).astype(np.float32)
    return mean


@pytest.mark.slow
@given(height=st.integers(600, 9000), width=st.integers(600, 9000))
def test_a_large_picture_is_measured_evenly_in_part(height: int, width: int) -> None:
    picture = Ramp(height, width)
    measured = tiled_averages(picture, 640, NONE, mean_of)
    np.testing.assert_allclose(measured, 0.5, atol=0.03)
    most = SPREAD * SPREAD_SIDE**2
    if height * width > most:
        assert picture.seen <= most
    else:
        np.testing.assert_allclose(measured, 0.5, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(520, 60_000), (60_000, 520), (8000, 100)])
def test_long_pictures_are_measured_along_their_whole_length(height: int, width: int) -> None:
    measured = tiled_averages(Ramp(height, width), 640, NONE, mean_of)
    np.testing.assert_allclose(measured, 0.5, atol=0.03)


def test_what_is_measured_is_a_share_of_the_picture() -> None:
    assert measured_share(2000, 2000) == 1
    assert measured_share(4000, 6000) == pytest.approx(16 * 512**2 / 24e6)
