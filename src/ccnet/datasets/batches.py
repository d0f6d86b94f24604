"""What a training step is given, and how its samples are shared out among passes and processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """A part of the samples of one training step.

    `clean` and `degraded` are (N, 3, crop, crop), float32 in [0, 1] or uint8; `degraded` is None
    where the degradation is made on the training device. `part` numbers all parts of all steps:
    random numbers that hang on it alone are the same after a stop and a resume.
    """

    part: int
    clean: Tensor
    degraded: Tensor | None


@dataclass(frozen=True)
class Share:
    """What one of `processes` takes of every step's `batch` samples, in `passes` one by one.

    A step's samples are the same however many processes and passes share them.
    """

    batch: int
    passes: int = 1
    processes: int = 1
    rank: int = 0

    @property
    def parts(self) -> int:
        """Parts that a step is cut into."""
        return self.passes * self.processes

    @property
    def size(self) -> int:
        """Samples in each part."""
        return self.batch // self.parts

    def part(self, index: int) -> int:
        """The part that this process takes in its pass number `index`, both from 0.

        Within a step the parts go round: pass by pass, and in each from process to process.
        """
        return index * self.processes + self.rank
