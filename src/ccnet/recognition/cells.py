"""What is measured in each cell of 16 x 16 pixels before anything learned looks at it.

Haze lifts what is dark and takes contrast; motion takes fine contrast along its direction and
leaves coarse contrast; snow puts bright, colourless spots in and no dark ones. Measured outright,
these need far fewer pictures to learn from than raw pixels do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 16
"""Pixels across and down; pictures must be multiples of it."""

LEVELS = 4
"""Each half as large as the one before: contrasts of 1 to 8 pixels."""

SPOT = 5
"""Pixels that bright and dark spots are narrower than, at all levels but the last."""

CHANNELS = 8 * LEVELS + 4 * (LEVELS - 1) + 6
"""Measurements in each cell."""

_FAINTEST = 1 / 255


def measure_cells(pictures: Tensor) -> Tensor:
    """Measure pictures (N, 3, H, W) in [0, 1]: (N, CHANNELS, H / 16, W / 16)."""
    luminance = pictures.mean(1, keepdim=True)
    darkest = pictures.amin(1, keepdim=True)
    brightest = pictures.amax(1, keepdim=True)
    measured = [*_contrasts(luminance), *_spots(luminance, darkest)]
    colours = [
        F.avg_pool2d(pictures, CELL),
        -F.max_pool2d(-darkest, CELL),
        F.max_pool2d(brightest, CELL),
        F.avg_pool2d(brightest - darkest, CELL),
    ]
    return torch.cat((torch.cat(measured, 1).clamp(min=_FAINTEST).log(), *colours), 1)


def turned(mirrored: bool, transposed: bool) -> list[int]:
    """List where a turned picture finds each measurement: only directions change places."""
    across, down, falling, rising = range(4)
    if transposed:
        across, down = down, across
    if mirrored:
        falling, rising = rising, falling
    places = [
        4 * group + one for group in range(2 * LEVELS) for one in (across, down, falling, rising)
    ]
    return [*places, *range(8 * LEVELS, CHANNELS)]


def _contrasts(luminance: Tensor) -> list[Tensor]:
    """Differences of neighbours in four directions at each level: their mean and maximum."""
    contrasts = []
    for level in range(LEVELS):
        padded = F.pad(luminance, (1, 1, 0, 1), mode="replicate")
        here = padded[:, :, :-1, 1:-1]
        neighbours = (
            padded[:, :, :-1, 2:],
            padded[:, :, 1:, 1:-1],
            padded[:, :, 1:, 2:],
            padded[:, :, 1:, :-2],
        )
        differences = torch.cat([(there - here).abs() for there in neighbours], 1)
        side = CELL >> level
        contrasts += [F.avg_pool2d(differences, side), F.max_pool2d(differences, side)]
        luminance = F.avg_pool2d(luminance, 2)
    return contrasts


def _spots(luminance: Tensor, darkest: Tensor) -> list[Tensor]:
    """How far narrow bright spots without colour, and narrow dark ones, stand out (top-hats)."""
    spots = []
    values = torch.cat((darkest, -luminance), 1)
    for level in range(LEVELS - 1):
        standing_out = values - _largest(-_largest(-values))
        side = CELL >> level
        spots += [F.avg_pool2d(standing_out, side), F.max_pool2d(standing_out, side)]
        values = F.avg_pool2d(values, 2)
    return spots


def _largest(values: Tensor) -> Tensor:
    """The maximum around each pixel; row by row and then column by column, which is the same."""
    rows = F.max_pool2d(values, (1, SPOT), 1, (0, SPOT // 2))
    return F.max_pool2d(rows, (SPOT, 1), 1, (SPOT // 2, 0))
