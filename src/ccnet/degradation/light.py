"""Vary a clean photograph as other light and other cameras would."""

from __future__ import annotations

import torch
from torch import Tensor

from ccnet.degradation.randomness import happens, uniform


def vary_light(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Change the tone curve and white balance of 70% of `clean` (N, 3, H, W) in [0, 1].

    Powers from 0.7 (brighter) to 2.3 (a dim room) and channel gains within 8%, so that a restorer
    does not take a dark or tinted scene for a fault. To the same shape and range.
    """
    varied = happens(0.7, clean, generator)
    power = 2 ** (varied * uniform(-0.5, 1.2, (len(clean), 1, 1, 1), clean, generator))
    gain = 1 + varied * uniform(-0.08, 0.08, (len(clean), 3, 1, 1), clean, generator)
    return (clean**power * gain).clamp(0, 1)
