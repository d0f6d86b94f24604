"""The stream of training batches, the same however often it is stopped and resumed."""

from __future__ import annotations

from collections.abc import Iterator

from ccnet.datasets.batches import Batch, Share
from ccnet.datasets.photographs import Photographs, Window
from ccnet.datasets.seeds import SAMPLING, seeded_generator


class CropBatches:
    """Random crops of photographs in memory for `steps` steps; a step's hang on the seed alone.

    Yields this process's parts, float32 (size, 3, crop, crop) in [0, 1] on the photographs'
    device, of windows that are at least `reduction` times as large. `state_dict` holds the
    position, which Lightning keeps in its checkpoints, so that a resumed run goes on with the batch
    it would have seen.
    """

    def __init__(
        self,
        photographs: Photographs,
        *,
        steps: int,
        share: Share,
        crop: int,
        seed: int,
        reduction: float = 1.0,
    ) -> None:
        self.photographs = photographs
        self.steps = steps
        self.share = share
        self.crop = crop
        self.seed = seed
        self.reduction = reduction
        self._position = 0

    def __len__(self) -> int:
        return self.steps * self.share.passes

    def __iter__(self) -> Iterator[Batch]:
        while self._position < len(self):
            part = self.share.part(self._position)
            self._position += 1
            step, place = divmod(part, self.share.parts)
            first = place * self.share.size
            windows = self._windows(step)[first : first + self.share.size]
            yield Batch(part, self.photographs.crop(windows, self.crop), None)

    def names(self, step: int) -> list[str]:
        """The photographs that all processes see at `step`, from 0."""
        return [self.photographs.names[window.picture] for window in self._windows(step)]

    def _windows(self, step: int) -> list[Window]:
        # Drawn on the host, so that it never waits for another device.
        generator = seeded_generator(self.seed, stream=SAMPLING, index=step)
        smallest = round(self.crop * self.reduction)
        return self.photographs.random_windows(self.share.batch, smallest, generator)

    def state_dict(self) -> dict[str, int]:
        """The number of batches given out."""
        return {"position": self._position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on after as many batches as `state_dict` says."""
        self._position = state_dict["position"]
