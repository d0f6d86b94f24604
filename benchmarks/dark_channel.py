"""He's dark channel prior, the classic without learning that a network has to beat.

He, Sun and Tang, "Single Image Haze Removal Using Dark Channel Prior" (TPAMI 2011), its
transmission refined by the guided filter (He, Sun and Tang, TPAMI 2013) as its authors later did.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter, uniform_filter

PATCH = 15
OMEGA = 0.95
FLOOR = 0.1
RADIUS = 30
SOFTNESS = 1e-3


def remove_haze(hazy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove haze from (H, W, 3) in [0, 1], with the paper's constants."""
    dark = _dark_channel(hazy)
    brightest = np.argsort(dark, axis=None)[-max(1, dark.size // 1000) :]
    candidates = hazy.reshape(-1, 3)[brightest]
    airlight = candidates[candidates.sum(1).argmax()]
    coarse = 1 - OMEGA * _dark_channel(hazy / np.maximum(airlight, 1e-3))
    transmission = _guided(coarse, hazy.mean(2)).clip(FLOOR, 1)[..., None]
    clear: NDArray[np.float32] = ((hazy - airlight) / transmission + airlight).clip(0, 1)
    return clear.astype(np.float32)


def _dark_channel(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    darkest: NDArray[np.float32] = minimum_filter(picture.min(2), PATCH)
    return darkest


def _guided(coarse: NDArray[np.float32], guide: NDArray[np.float32]) -> NDArray[np.float32]:
    def box(values: NDArray[np.float32]) -> NDArray[np.float32]:
        averaged: NDArray[np.float32] = uniform_filter(values, 2 * RADIUS + 1)
        return averaged

    mean_guide, mean_map = box(guide), box(coarse)
    slope = (box(guide * coarse) - mean_guide * mean_map) / (
        box(guide * guide) - mean_guide**2 + SOFTNESS
    )
    return box(slope) * guide + box(mean_map - slope * mean_guide)
