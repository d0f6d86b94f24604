"""The exponential moving average of a network's weights, which is what gets shipped.

Kept apart from the network being trained, not swapped in and out of it, so that a checkpoint is
right whenever it is written. `torch.optim.swa_utils.AveragedModel` is not used since it asks the
device for its step count at every update, which makes the host wait for it.
"""

from __future__ import annotations

import torch
from torch import nn


def decay_at(step: int, decay: float) -> float:
    """The decay after `step` updates: small at first, so the random start is soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every weight of `average` by (1 - `decay`) of its way to that of `network`."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
