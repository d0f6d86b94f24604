"""The mean of what an engine makes of a picture and of its mirror image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ccnet.restoration.engines.engine import Averages, Engine, Floats, Pixels


class Ensemble:
    """Restores each picture also from right to left, with another engine, and takes the mean.

    What a network adds by mistake seldom is the same both ways (geometric self-ensemble, Timofte,
    Rothe and Van Gool, CVPR 2016, which turns pictures upside down as well). It takes twice the
    time. The averages are those of the picture and then those of its mirror image, (2 * A,).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.description = f"{engine.description}, both ways"
        self.most_pixels = engine.most_pixels
        self.together = engine.together

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        """Restore a batch as `Engine.restore` does."""
        both = (None, None) if averages is None else np.split(averages, 2)
        restored = self._engine.restore(batch, both[0])
        mirrored = batch[:, :, ::-1].copy()
        restored += self._engine.restore(mirrored, both[1])[:, :, ::-1]
        restored /= 2
        return restored

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        """Measure a picture's averages in tiles as `Engine.measure` does."""
        first = (lambda share: progress(share / 2)) if progress else None
        second = (lambda share: progress(0.5 + share / 2)) if progress else None
        own = self._engine.measure(picture, side, first)
        return np.concatenate((own, self._engine.measure(_Mirrored(picture), side, second)))

    def release_memory(self) -> None:
        """Free what the other engine keeps."""
        self._engine.release_memory()


class _Mirrored:
    def __init__(self, picture: Pixels) -> None:
        self.shape = picture.shape
        self._picture = picture

    def __getitem__(self, place: tuple[slice, slice], /) -> Floats:
        rows, columns = place
        width = self.shape[1]
        start, stop, _ = columns.indices(width)
        mirrored: Floats = self._picture[rows, width - stop : width - start][:, ::-1].copy()
        return mirrored
