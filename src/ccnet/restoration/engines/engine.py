"""What restoration asks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Averages: TypeAlias = Sequence[NDArray[np.float32]]
"""The whole-picture averages of one picture, (1, C, 1, 1) each, in the order the network asks."""


class Engine(Protocol):
    """Runs one network on batches. It keeps nothing between calls, so threads may share it.

    Attributes:
        most_pixels: How many pixels one call may hold so that its memory stays in bounds.
    """

    most_pixels: int

    def restore(
        self, batch: NDArray[np.float32], averages: Averages | None = None
    ) -> NDArray[np.float32]:
        """Restore a batch.

        Args:
            batch: (N, H, W, 3) in [0, 1], any N, H and W from 1 up.
            averages: Those of the picture that the batch is a part of; by default each picture's
                own are taken.

        Returns:
            A new array of the same shape, in [0, 1].
        """
        ...

    def measure(
        self,
        picture: NDArray[np.float32],
        side: int,
        progress: Callable[[float], object] | None = None,
    ) -> Averages:
        """Measure a picture's averages in tiles.

        Args:
            picture: (H, W, 3) in [0, 1], of any size.
            side: The most pixels of a tile across and down, from `grid.SMALLEST_SIDE` up.
            progress: Called with the share done, in (0, 1], after each tile.
        """
        ...
