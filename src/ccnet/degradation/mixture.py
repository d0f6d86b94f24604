"""All three degradations in one batch, for one network that learns to undo each of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ccnet.degradation.blur import add_blur
from ccnet.degradation.haze import add_haze
from ccnet.degradation.randomness import checked
from ccnet.degradation.snow import add_snow


def add_any(
    clean: Tensor, generator: torch.Generator | None = None, strength: float | None = None
) -> Tensor:
    """Put haze into a third of the pictures, blur into another, and snow into the rest.

    `clean` (N, 3, H, W) float32 in [0, 1] to the same, on the same device. `generator` must be on
    the device of `clean`; its seed says which third gets what, for asking the device would make the
    host wait. `strength` is that of each; raises `UsageError` where it is not from 0 to 1.
    """
    generator = checked(clean, generator, strength)
    first = generator.initial_seed() % 3
    three = (add_haze, add_blur, add_snow)
    turned = three[first:] + three[:first]
    parts = clean.tensor_split(3)
    return torch.cat(
        [
            degrade(part, generator, strength) if len(part) else part
            for degrade, part in zip(turned, parts, strict=True)
        ]
    )
