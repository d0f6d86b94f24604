"""Restorers without learning, as scikit-image has them: the least that a network has to beat.

None is told what was done to a picture. Their numbers are the best, by mean PSNR, of a few tried
on photographs that networks train on, degraded as for the quality report: medians over 3, 5 and 7
pixels; sharpening by radii 1, 2 and 3 in amounts 0.25, 0.5 and 1; Gaussians of sigma 1, 1.5 and 2
and discs of radius 2 and 3 with balances from 0.03 to 0.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""A picture (H, W, 3) in [0, 1]."""

MEDIAN_SIDE = 3
SHARPENING_RADIUS = 1.0
SHARPENING_AMOUNT = 0.25
BLUR_SIGMA = 1.0
"""Of the Gaussian that Wiener's filter takes every blur for, in pixels."""

WIENER_BALANCE = 0.03
_FRAME = 32  # pixels mirrored around, for the filter takes opposite borders for neighbours


def filter_median(snowy: Pixels) -> Pixels:
    """Replace each channel by its median over squares, which flakes smaller than half one leave."""
    from skimage.filters import median

    filtered: Pixels = median(snowy, np.ones((MEDIAN_SIDE, MEDIAN_SIDE, 1), bool))
    return filtered


def sharpen(blurry: Pixels) -> Pixels:
    """Add a part of the difference from the picture's own Gaussian blur (unsharp masking)."""
    from skimage.filters import unsharp_mask

    sharpened = unsharp_mask(blurry, SHARPENING_RADIUS, SHARPENING_AMOUNT, channel_axis=2)
    return np.asarray(sharpened, np.float32).clip(0, 1)


def deconvolve(blurry: Pixels) -> Pixels:
    """Undo a Gaussian blur by Wiener's filter, smoothness weighed by `WIENER_BALANCE`.

    Orieux, Giovannelli and Rodet, "Bayesian estimation of regularization and point spread function
    parameters for Wiener-Hunt deconvolution" (JOSA A 2010), with the numbers given.
    """
    from skimage.restoration import wiener

    offsets = np.arange(-3, 4)
    profile = np.exp(-np.square(offsets) / (2 * BLUR_SIGMA**2))
    spread = np.outer(profile, profile) / profile.sum() ** 2
    framed = np.pad(blurry, ((_FRAME, _FRAME), (_FRAME, _FRAME), (0, 0)), "symmetric")
    channels = [wiener(channel, spread, WIENER_BALANCE, clip=False) for channel in framed.T]
    sharp = np.stack(channels).T[_FRAME:-_FRAME, _FRAME:-_FRAME]
    return np.ascontiguousarray(sharp, np.float32).clip(0, 1)
