"""The mean with the mirror image: the same both ways, whole and in tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from ccnet.network import CCNet
from ccnet.restoration.engines.engine import Engine, Floats
from ccnet.restoration.engines.ensemble import Ensemble
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.restoration.tiling import Progress, restore_bands


@pytest.fixture(scope="module")
def engine(tiny_network: CCNet) -> TorchEngine:
    return TorchEngine(tiny_network, device="cpu", precision="float32")


@settings(max_examples=10)
@given(st.integers(1, 3), st.integers(1, 140), st.integers(1, 140), st.integers(0, 2**31))
def test_a_mirrored_picture_gives_the_mirrored_result(
    engine: TorchEngine, samples: int, height: int, width: int, seed: int
) -> None:
    batch = np.random.default_rng(seed).random((samples, height, width, 3), dtype=np.float32)
    both, mirrored = (Ensemble(engine).restore(each) for each in (batch, batch[:, :, ::-1].copy()))
    np.testing.assert_allclose(both, mirrored[:, :, ::-1], atol=1e-5)
    one_way = engine.restore(batch)
    np.testing.assert_allclose(
        2 * both - one_way, engine.restore(batch[:, :, ::-1].copy())[:, :, ::-1], atol=1e-5
    )


@pytest.mark.slow
def test_tiles_agree_with_the_whole_and_tell_how_far_they_are(engine: TorchEngine) -> None:
    left = np.float32(data.astronaut()[:, :350] / 255)
    picture = np.concatenate((left, left * np.float32(0.3), left), 1)  # unlike its mirror image
    picture[:, :350] **= 2
    ensemble = Ensemble(engine)
    shares: list[float] = []
    whole, alone = (next(restore_bands(picture, each, "off"))[1] for each in (ensemble, engine))
    tiled = joined(picture, ensemble, shares.append)
    agreement = peak_signal_noise_ratio(whole, tiled, data_range=1)
    usual = peak_signal_noise_ratio(alone, joined(picture, engine), data_range=1)
    assert agreement > usual - 1
    assert agreement > peak_signal_noise_ratio(whole, alone, data_range=1) + 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def joined(picture: Floats, engine: Engine, progress: Progress | None = None) -> Floats:
    return np.concatenate([band for _, band in restore_bands(picture, engine, 640, progress)])
