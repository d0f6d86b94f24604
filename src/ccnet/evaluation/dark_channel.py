"""He's dark channel prior, the classic without learning that a network has to beat.

He, Sun and Tang, "Single Image Haze Removal Using Dark Channel Prior" (TPAMI 2011), its
transmission refined by the guided filter (He, Sun and Tang, TPAMI 2013) as its authors later did.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ccnet.degradation.guided_filter import guided_filter

PATCH = 15
OMEGA = 0.95
FLOOR = 0.1
RADIUS = 30
SOFTNESS = 1e-3


def remove_haze(hazy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove haze from (H, W, 3) in [0, 1], with the paper's constants, at any size from 1x1."""
    picture = torch.from_numpy(hazy).permute(2, 0, 1)
    airlight = _airlight(picture, _dark_channel(picture))[:, None, None]
    coarse = 1 - OMEGA * _dark_channel(picture / airlight.clamp(min=1e-3))
    guide = picture.mean(0)[None, None]
    refined = guided_filter(coarse[None, None], guide, RADIUS, SOFTNESS)[0, 0]
    transmission = refined.clamp(FLOOR, 1)
    clear = ((picture - airlight) / transmission + airlight).clamp(0, 1)
    return clear.permute(1, 2, 0).contiguous().numpy()


def _dark_channel(picture: Tensor) -> Tensor:
    """Give the smallest value of any channel around each pixel: (3, H, W) to (H, W)."""
    margin = PATCH // 2
    brightest = F.max_pool2d(-picture.amin(0)[None], (PATCH, 1), stride=1, padding=(margin, 0))
    return -F.max_pool2d(brightest, (1, PATCH), stride=1, padding=(0, margin))[0]


def _airlight(picture: Tensor, dark: Tensor) -> Tensor:
    """Give the brightest colour (3,) among the thousandth of the pixels where haze is densest.

    Ties are all taken, so that the result does not hang on the order in which a machine sorts.
    """
    count = max(1, dark.numel() // 1000)
    least = dark.flatten().topk(count).values[-1]
    candidates = picture[:, dark >= least]
    return candidates[:, candidates.sum(0).argmax()]
