"""Smooth a map so that it breaks where a picture does.

He, Sun and Tang, "Guided Image Filtering" (TPAMI 2013), in the fast form of He and Sun, "Fast
Guided Filter" (arXiv 1505.00996): coefficients are found at a low resolution and enlarged.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def guided_filter(coarse: Tensor, guide: Tensor, radius: int, softness: Tensor | float) -> Tensor:
    """Enlarge `coarse` (N, 1, h, w) to the size of `guide` (N, 1, H, W), following its edges.

    `radius` is in pixels of `coarse`; `softness` (the paper's epsilon) is the variance of the
    guide below which there is no edge, for a guide in [0, 1].
    """
    small = F.interpolate(guide, size=coarse.shape[2:], mode="area")
    mean_guide, mean_map = _box(small, radius), _box(coarse, radius)
    covariance = _box(small * coarse, radius) - mean_guide * mean_map
    variance = _box(small * small, radius) - mean_guide * mean_guide
    slope = covariance / (variance + softness)
    offset = mean_map - slope * mean_guide
    size = guide.shape[2:]
    slope = F.interpolate(_box(slope, radius), size=size, mode="bilinear", align_corners=False)
    offset = F.interpolate(_box(offset, radius), size=size, mode="bilinear", align_corners=False)
    return slope * guide + offset


def _box(maps: Tensor, radius: int) -> Tensor:
    """Average over squares of 2 * radius + 1 pixels, as far as they lie inside."""
    side = 2 * radius + 1
    for kernel, padding in (((side, 1), (radius, 0)), ((1, side), (0, radius))):
        maps = F.avg_pool2d(maps, kernel, stride=1, padding=padding, count_include_pad=False)
    return maps
