"""Tiles against the picture as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from ccnet.errors import UsageError
from ccnet.network import CCNet
from ccnet.restoration.engines import Engine
from ccnet.restoration.engines.engine import Floats
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.restoration.grid import MEASURING_OVERLAP, OVERLAP, SMALLEST_SIDE, fades, spans
from ccnet.restoration.tiling import Progress, TileSize, blend_bands, checked_tile, restore_bands
from ccnet.weights import load_network


@pytest.fixture(scope="module")
def engine(tiny_network: CCNet) -> TorchEngine:
    return TorchEngine(tiny_network, device="cpu", precision="float32")


def restore_tiled(
    picture: Floats, engine: Engine, tile: TileSize, progress: Progress | None = None
) -> Floats:
    return joined(restore_bands(picture, engine, tile, progress), picture)


def joined(bands: Iterable[tuple[slice, Floats]], picture: Floats) -> Floats:
    """Put bands together, each of which goes on where the one before ended or begins again."""
    restored = np.full_like(picture, np.nan)
    end = 0
    for rows, band in bands:
        assert rows.start in (0, end)
        end = rows.stop
        restored[rows] = band
    assert end == len(picture)
    return restored


@given(
    length=st.integers(1, 5000),
    side=st.integers(SMALLEST_SIDE, 2048),
    overlap=st.sampled_from([OVERLAP, MEASURING_OVERLAP]),
)
def test_spans_cover_a_side_once(length: int, side: int, overlap: int) -> None:
    end = 0
    for span in spans(length, side, overlap):
        assert span.stop - span.start <= side
        assert span.start % 4 == 0
        assert span.core[0] == end
        assert span.start <= span.core[0] < span.core[1] <= span.stop
        end = span.core[1]
    assert end == length


@given(length=st.integers(1, 5000), side=st.integers(SMALLEST_SIDE, 2048))
def test_spans_fade_into_each_other(length: int, side: int) -> None:
    total = np.zeros(length)
    parts = spans(length, side)
    for span, weights in zip(parts, fades(parts), strict=True):
        total[span.start : span.stop] += weights
        assert weights.min() >= 0
    np.testing.assert_allclose(total, 1, atol=1e-5)


@pytest.mark.slow
def test_tiles_come_out_as_the_whole_picture_does() -> None:
    engine = TorchEngine(load_network("dehaze"), device="cpu", precision="float32")
    pixels = np.hstack((data.astronaut(), data.astronaut() // 5))[100:400, 200:900]
    picture = 0.4 * pixels.astype(np.float32) / 255 + np.float32(0.5)
    whole = engine.restore(picture[None])[0]
    tiled = restore_tiled(picture, engine, 512)
    unpinned = joined(blend_bands(picture, engine, 512, None), picture)
    good = peak_signal_noise_ratio(whole, tiled, data_range=1)
    assert good > 45
    assert good > peak_signal_noise_ratio(whole, unpinned, data_range=1) + 10


def test_without_strips_tiles_are_the_whole_picture() -> None:
    torch.manual_seed(0)
    network = CCNet(width=4, modules=1, block="residual", strips=None)
    engine = TorchEngine(network, device="cpu", precision="float32")
    picture = np.random.default_rng(0).random((130, 900, 3), dtype=np.float32)
    whole = engine.restore(picture[None])[0]
    np.testing.assert_allclose(restore_tiled(picture, engine, 512), whole, atol=1e-5)


def test_rounding_takes_no_tile_out_of_range(engine: TorchEngine) -> None:
    white = np.ones((700, 900, 3), np.float32)
    with patch.object(engine, "restore", side_effect=lambda batch, _: batch.copy()):
        blended = joined(blend_bands(white, engine, 512, None), white)
    assert blended.max() <= 1
    np.testing.assert_allclose(blended, white, atol=1e-6)


def test_tiles_that_one_call_takes_come_out_as_alone(tiny_network: CCNet) -> None:
    engine = TorchEngine(tiny_network, device="cpu", precision="float32")
    # Three tiles of 512 pixels and one of 510 in a row, for the width is no multiple of 4.
    picture = np.random.default_rng(0).random((130, 4 * 512 - 3 * OVERLAP - 2, 3), dtype=np.float32)
    alone = restore_tiled(picture, engine, 512)
    with patch.object(engine, "restore", wraps=engine.restore) as restore:
        engine.together = 2
        np.testing.assert_allclose(restore_tiled(picture, engine, 512), alone, atol=1e-5)
        engine.together = 8
        engine.most_pixels = 3 * 130 * 512
        np.testing.assert_allclose(restore_tiled(picture, engine, 512), alone, atol=1e-5)
    widths = [call.args[0].shape[::2] for call in restore.call_args_list]
    assert widths == [(2, 512), (1, 512), (1, 510), (3, 512), (1, 510)]


def test_the_share_done_rises_to_one(engine: TorchEngine) -> None:
    shares: list[float] = []
    picture = np.zeros((130, 600, 3), np.float32)
    restore_tiled(picture, engine, 512, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize("tile", ["0", "511", "big", -4, 1.5, True, "", "9" * 5000])
def test_other_tiles_are_refused(tile: Any) -> None:
    with pytest.raises(UsageError, match="tile="):
        checked_tile(tile)


@pytest.mark.parametrize(("tile", "meant"), [("auto", "auto"), ("off", "off"), ("512", 512)])
def test_tiles_are_understood(tile: str | int, meant: str | int) -> None:
    assert checked_tile(tile) == meant
