"""How much of each fineness details hold in each direction: motion takes it along its path.

Blur multiplies a picture's spectrum by its own. A lens takes what is fine alike in all directions;
motion takes it along its path, and all of it where a wave is as long as the path. In logarithms the
product is a sum, and the mean over details evens out what happens to be in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccnet.recognition.cells import Floats
from ccnet.recognition.views import DETAIL

DIRECTIONS = 12
"""Of waves, 15 degrees from each to the next."""

FREQUENCIES = (0.03, 0.06, 0.09, 0.125, 0.165, 0.21, 0.26, 0.32, 0.4, 0.5)
"""Waves in a pixel at the bounds of each band."""

BANDS = len(FREQUENCIES) - 1

MEASURED = 3 * BANDS
"""Measurements of each direction."""

_FAINTEST = 1 / (12 * 255**2)
"""The power of rounding to 8 bits, in each wave."""


def measure_spectrum(details: Floats) -> Floats:
    """Measure details (N, 3, DETAIL, DETAIL) in [0, 1]: (MEASURED, DIRECTIONS).

    The logarithms of the power in each band: in a direction, in that across it, and in all.
    """
    luminance = details.mean(1)
    luminance = luminance - luminance.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(luminance * _WINDOW)) ** 2 / (_WINDOW**2).sum()
    logarithms = np.log(power + _FAINTEST).mean(0).ravel()
    sums = np.bincount(_PLACES, logarithms, minlength=len(_COUNTS))
    along = (sums / _COUNTS)[:-1].reshape(DIRECTIONS, BANDS)
    across = np.roll(along, DIRECTIONS // 2, 0)
    everywhere = np.broadcast_to(along.mean(0), along.shape)
    measured: Floats = np.concatenate((along, across, everywhere), 1).T.astype(np.float32)
    return measured


def _places() -> NDArray[np.intp]:
    """Number each wave of a detail's spectrum by direction and band; last are those of no band."""
    down, across = np.fft.fftfreq(DETAIL)[:, None], np.fft.rfftfreq(DETAIL)[None]
    turns = np.arctan2(down, across) / np.pi
    direction = np.floor((turns + 0.5) * DIRECTIONS + 0.5).astype(int) % DIRECTIONS
    band = np.digitize(np.hypot(down, across), FREQUENCIES) - 1
    outside = (band < 0) | (band == BANDS)
    return np.where(outside, DIRECTIONS * BANDS, direction * BANDS + band).ravel()


_WAVE = np.hanning(DETAIL + 1)[:-1]
_WINDOW = (_WAVE * _WAVE[:, None]).astype(np.float32)
_PLACES = _places()
_COUNTS = np.bincount(_PLACES)
