"""Whole-picture averages: where the network takes them from.

Two parts of CCNet look at the whole picture: each dynamic strip averages its input, and the
instance norm of the shallow inputs takes a mean and a variance. Every module that needs such an
average is handed a function for it, so that one network serves three needs without holding state:

- `picture_average`: each picture's own averages, the network as published;
- `SharedAverages`: all pictures of a batch are tiles of one picture, whose averages are kept;
- `PinnedAverages`: averages measured before, so that a tile is restored as part of its picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

Average = Callable[[Tensor], Tensor]
"""Maps features (N, C, H, W) to averages (N, C, 1, 1), or (1, C, 1, 1) shared by the batch."""


def picture_average(features: Tensor) -> Tensor:
    """Average each channel of each sample: (N, C, H, W) to (N, C, 1, 1)."""
    return features.mean((2, 3), keepdim=True)


class SharedAverages:
    """Averages over a batch of equally large tiles of one picture, kept in the order asked for.

    `values` grows by one tensor (1, C, 1, 1) with each call.
    """

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def __call__(self, features: Tensor) -> Tensor:
        self.values.append(features.mean((0, 2, 3), keepdim=True))
        return self.values[-1]


class PinnedAverages:
    """Averages that `SharedAverages` kept, given out in the same order in one forward pass."""

    def __init__(self, values: Sequence[Tensor]) -> None:
        self._values: Iterator[Tensor] = iter(values)

    def __call__(self, features: Tensor) -> Tensor:
        return next(self._values)
