"""Padding for pictures of sizes that the network cannot take."""

from __future__ import annotations

import torch
from torch import Tensor

MULTIPLE = 4
"""The network halves its input twice, so both sides must be multiples of this many pixels."""


def mirror_indices(length: int, padded: int, device: torch.device) -> Tensor:
    """Indices 0 ... length-1, length-2 ... 0, 1 ...: `padded` entries of a repeated reflection."""
    period = max(2 * length - 2, 1)
    position = torch.arange(padded, device=device) % period
    return torch.minimum(position, period - position) % length


def fitting_size(length: int, smallest: int) -> int:
    """The shortest side that holds `length` pixels, of a network that takes `smallest` and more."""
    return max(smallest, (length + MULTIPLE - 1) // MULTIPLE * MULTIPLE)


def pad_to_fit(batch: Tensor, smallest: int) -> Tensor:
    """Reflect (N, C, H, W), H and W at least 1, to the right and below up to a fitting size."""
    for axis in (2, 3):
        length = batch.shape[axis]
        padded = fitting_size(length, smallest)
        if padded != length:
            batch = batch.index_select(axis, mirror_indices(length, padded, batch.device))
    return batch
