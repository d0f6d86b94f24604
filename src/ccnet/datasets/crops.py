"""The stream of training batches, the same however often it is stopped and resumed."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ccnet.datasets.photographs import Photographs
from ccnet.datasets.seeds import SAMPLING, seeded_generator


class CropBatches:
    """`length` batches of random crops; batch i depends on the seed and i alone.

    Yields float32 (batch, 3, crop, crop) in [0, 1] on the photographs' device. `state_dict` holds
    the position, which Lightning keeps in its checkpoints, so that a resumed run goes on with the
    batch it would have seen.
    """

    def __init__(
        self, photographs: Photographs, *, length: int, batch: int, crop: int, seed: int
    ) -> None:
        self.photographs = photographs
        self.length = length
        self.batch = batch
        self.crop = crop
        self.seed = seed
        self._position = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Tensor]:
        while self._position < self.length:
            generator = seeded_generator(self.seed, stream=SAMPLING, index=self._position)
            self._position += 1
            yield self.photographs.random_crops(self.batch, self.crop, generator)

    def state_dict(self) -> dict[str, int]:
        """The number of batches given out."""
        return {"position": self._position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on after as many batches as `state_dict` says."""
        self._position = state_dict["position"]
