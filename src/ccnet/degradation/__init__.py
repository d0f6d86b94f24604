"""Haze, motion blur and snow as physical models, for making pairs to train and measure on."""

from __future__ import annotations

from typing import Protocol

from ccnet.extras import require

require("torch", "Degrading")

import torch
from torch import Tensor

from ccnet.degradation.blur import add_blur
from ccnet.degradation.haze import add_haze
from ccnet.degradation.snow import add_snow


class Degradation(Protocol):
    """Degrades pictures (N, 3, H, W), float32 in [0, 1], to the same on the same device.

    `strength` is from 0 (nothing) to 1; without it each picture gets one of its own. `generator`
    must be on the device of `clean`.
    """

    def __call__(
        self,
        clean: Tensor,
        generator: torch.Generator | None = None,
        strength: float | None = None,
    ) -> Tensor: ...


DEGRADATIONS: dict[str, Degradation] = {"haze": add_haze, "blur": add_blur, "snow": add_snow}
"""By what is put into a picture."""
