"""Random streams that are named by numbers instead of carried along, so nothing can lose its place.

A batch made from (seed, stream, index) alone is the same after a stop and a resume, whatever else
drew random numbers in between.
"""

from __future__ import annotations

import numpy as np
import torch

SAMPLING, DEGRADING, VALIDATING, SHUFFLING = range(4)
"""The streams of one seed: which crops, how they are degraded, how validation is degraded, and in
which order pairs come."""


def seeded_generator(
    seed: int, *, stream: int, index: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Make the generator on `device` of one `index` of a stream; all numbers from 0 up."""
    (state,) = np.random.SeedSequence((seed, stream, index)).generate_state(1, np.uint64)
    # Torch takes all 64 bits on one device and only signed numbers on another.
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))
