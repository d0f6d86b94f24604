"""Tiles of pictures for which there is less memory than was thought."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from ccnet.errors import PictureError
from ccnet.network import CCNet
from ccnet.restoration.engines import Averages, Engine, MemoryRanOut
from ccnet.restoration.engines.averages import Core, measure_averages
from ccnet.restoration.engines.engine import Floats, Pixels
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.restoration.restorer import Restorer
from ccnet.restoration.tiling import TileSize, restore_bands


@pytest.fixture(scope="module")
def engine(tiny_network: CCNet) -> TorchEngine:
    return TorchEngine(tiny_network, device="cpu", precision="float32")


def restored(picture: Floats, engine: Engine, tile: TileSize) -> Floats:
    whole = np.full_like(picture, np.nan)
    for rows, band in restore_bands(picture, engine, tile):
        whole[rows] = band
    return whole


class Bounded:
    """An engine that holds so many pixels, and thinks it holds more."""

    description = "bounded"
    most_pixels = 10**9
    together = 1

    def __init__(self, engine: TorchEngine, holds: int) -> None:
        self._engine = engine
        self._holds = holds
        self.refused: list[int] = []

    def _check(self, batch: Floats) -> None:
        pixels = math.prod(batch.shape[:3])
        if pixels > self._holds:
            self.refused.append(pixels)
            raise MemoryRanOut(pixels)

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        self._check(batch)
        return self._engine.restore(batch, averages)

    def release_memory(self) -> None:
        self._engine.release_memory()

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        def measure(tile: Floats, given: Averages, core: Core) -> Averages:
            self._check(tile)
            return self._engine._measure(tile, given, core)

        shallow = self._engine._measure_shallow
        return measure_averages(picture, side, shallow, measure, progress)


@pytest.mark.slow
def test_tiles_are_halved_where_memory_runs_out(engine: TorchEngine) -> None:
    picture = np.random.default_rng(0).random((1300, 560, 3), dtype=np.float32)
    bounded = Bounded(engine, holds=512 * 512)
    halved = restored(picture, bounded, "auto")
    # The whole, the sample of tiles, a tile of half its height, and the sample again.
    assert bounded.refused == [1300 * 560, 12 * 192**2, 564 * 560, 12 * 192**2]
    np.testing.assert_allclose(halved, restored(picture, engine, 512), atol=0.01)


def test_tiles_go_alone_where_memory_does_not_hold_them_together(engine: TorchEngine) -> None:
    picture = np.random.default_rng(0).random((130, 700, 3), dtype=np.float32)
    bounded = Bounded(engine, holds=512 * 512)
    bounded.together = 8
    held_alone = restored(picture, bounded, 512)
    bounded._holds = 80_000  # a sample of three, or one tile
    np.testing.assert_allclose(restored(picture, bounded, 512), held_alone, atol=0.01)
    assert bounded.refused == [2 * 130 * 448]


def test_tiles_are_not_halved_further_than_they_can_be(engine: TorchEngine) -> None:
    picture = np.zeros((600, 600, 3), np.float32)
    bounded = Bounded(engine, holds=200 * 200)
    with pytest.raises(PictureError, match="Memory does not hold"):
        restored(picture, bounded, "auto")
    assert len(bounded.refused) < 5


@pytest.mark.parametrize("tile", [596, "off"])
def test_tiles_of_a_size_that_was_asked_for_are_not_halved(
    engine: TorchEngine, tile: TileSize
) -> None:
    picture = np.zeros((700, 700, 3), np.float32)
    with pytest.raises(MemoryRanOut):
        restored(picture, Bounded(engine, holds=400 * 400), tile)


def test_batches_are_halved_where_memory_runs_out(
    engine: TorchEngine, tiny_network: CCNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(tiny_network, device="cpu", strength=0.5)
    pictures = list(np.random.default_rng(0).random((5, 20, 30, 3), dtype=np.float32))
    alone = [restorer(picture) for picture in pictures]
    bounded = Bounded(engine, holds=2 * 20 * 30)
    monkeypatch.setattr(restorer, "_engine", bounded)
    np.testing.assert_allclose(restorer.restore_batch(pictures), alone, atol=1e-3)
    # All five, and of the two and the three of them the three.
    assert bounded.refused == [5 * 20 * 30, 3 * 20 * 30]
