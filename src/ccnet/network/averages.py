"""Whole-picture averages: where the network takes them from.

Two parts of CCNet look at the whole picture: each dynamic strip averages its input, and the
instance norm of the shallow inputs takes a mean and a variance. Every module that needs such an
average is handed a function for it, so that one network serves four needs without holding state:

- `picture_average`: each picture's own averages, the network as published;
- `SharedAverages`: all pictures of a batch are tiles of one picture, whose averages are kept;
- `PinnedAverages`: averages measured before, so that a tile is restored as part of its picture;
- `PartAverages`: a tile's averages over the part that it answers for in its picture.
"""

from __future__ import annotations

from collections.abc import Callable

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
    """Averages (K,) of a whole picture, given out from the first on in one forward pass."""

    def __init__(self, values: Tensor) -> None:
        self._rest = values

    def __call__(self, features: Tensor) -> Tensor:
        count = features.shape[1]
        answer, self._rest = self._rest[:count], self._rest[count:]
        return answer.view(1, count, 1, 1)


class PartAverages:
    """Averages over a part of all pictures of a batch, kept in the order asked for.

    `values` grows by one tensor (1, C, 1, 1) of float32 with each call.

    Args:
        core: The part: its first row and column and those after its last, multiples of 4 or beyond
            the picture's end.
        height: Of the pictures as the network pads them.
        given: Averages (K,) to answer with for as long as they last; then what was measured does.
    """

    def __init__(
        self, core: tuple[int, int, int, int], height: int, given: Tensor | None = None
    ) -> None:
        self.values: list[Tensor] = []
        self._core = core
        self._height = height
        self._given = given

    def __call__(self, features: Tensor) -> Tensor:
        step = self._height // features.shape[2]
        top, left, bottom, right = (side // step for side in self._core)
        part = features[:, :, top:bottom, left:right]
        average = part.float().mean((0, 2, 3), keepdim=True)
        self.values.append(average)
        if self._given is None or len(self._given) == 0:
            return average
        count = features.shape[1]
        answer, self._given = self._given[:count], self._given[count:]
        return answer.view_as(average)
