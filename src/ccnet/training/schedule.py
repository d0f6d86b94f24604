"""The learning rate: a linear warm-up, then half a cosine down to a floor."""

from __future__ import annotations

import math


def learning_rate(
    step: int,
    *,
    steps: int,
    warmup: int,
    peak: float = 1e-4,
    floor: float = 1e-6,
    time_spent: float = 0.0,
) -> float:
    """The rate of `step`, counted from 0, in a run of `steps`, of which the first `warmup` rise.

    Steps may as well be epochs, as in the published schedule. `time_spent` is the part in [0, 1]
    of a time limit that is used up: the cosine follows it where it is ahead of the steps, so that
    a run on a slow machine, or on any machine for a given time, ends with the same low rates.
    """
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    done = (step - warmup) / max(1, steps - warmup)
    progress = min(1.0, max(0.0, done, time_spent))
    return min(peak * rising, floor + (peak - floor) * (1 + math.cos(math.pi * progress)) / 2)
