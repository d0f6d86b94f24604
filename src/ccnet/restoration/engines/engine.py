"""What restoration asks of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError

Floats: TypeAlias = NDArray[np.float32]

Averages: TypeAlias = Floats
"""The whole-picture averages of one picture, (A,): those of all channels, in the order that the
network asks for them."""


class Pixels(Protocol):
    """A picture (H, W, 3) in [0, 1] out of which rows and columns are cut: an array, for one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, place: tuple[slice, slice], /) -> Floats: ...


class MemoryRanOut(PictureError):
    """So many pixels at once are more than memory holds."""

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        super().__init__(
            f"Memory does not hold {pixels} pixels at once; free some, or ask for smaller tiles."
        )

    def __reduce__(self) -> tuple[type[MemoryRanOut], tuple[int]]:
        return type(self), (self.pixels,)


class Engine(Protocol):
    """Runs one network on batches. Nothing of one goes into the next, so threads may share it.

    Attributes:
        description: What runs it, in which precision and where, for people.
        most_pixels: How many pixels one call may hold so that its memory stays in bounds.
        together: How many pictures are best given to one call where there are several of one size.
    """

    description: str
    most_pixels: int
    together: int

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        """Restore a batch.

        Args:
            batch: (N, H, W, 3) in [0, 1], any N, H and W from 1 up.
            averages: Those of the picture that the batch is a part of; by default each picture's
                own are taken.

        Returns:
            A new array of the same shape, in [0, 1].

        Raises:
            MemoryRanOut: There is too little memory for the batch.
            WeightsError: The network gives numbers that are not finite.
        """
        ...

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        """Measure a picture's averages in tiles. Raises as `restore` does.

        Args:
            picture: (H, W, 3) in [0, 1], of any size.
            side: The most pixels of a tile across and down, from `grid.SMALLEST_SIDE` up.
            progress: Called with the share done, in (0, 1], after each tile.
        """
        ...

    def release_memory(self) -> None:
        """Free what is kept of one picture for the next, where there is such."""
        ...
