"""Pictures of one size that wait for a device are restored together, and as they are alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from skimage import data

from ccnet.images import Picture
from ccnet.network import CCNet
from ccnet.restoration import Restorer
from ccnet.restoration.engines.engine import Averages, Floats
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.serving.devices import Devices
from ccnet.serving.queue import Job, StoppedError


class SlowEngine(TorchEngine):
    """Notes the shapes of its batches, and begins when it is let."""

    def __init__(self, network: CCNet) -> None:
        super().__init__(network, device="cpu", precision="float32")
        self.together = 3
        self.shapes: list[tuple[int, ...]] = []
        self.began = threading.Event()
        self.let = threading.Event()

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        self.shapes.append(batch.shape[:3])
        self.began.set()
        assert self.let.wait(60)
        return super().restore(batch, averages)


@pytest.fixture
def engine(tiny_network: CCNet) -> SlowEngine:
    return SlowEngine(tiny_network)


@pytest.fixture
def devices(tiny_network: CCNet, engine: SlowEngine) -> Devices:
    restorer = Restorer(tiny_network, device="cpu")
    restorer._engine = engine
    return Devices([{"tiny": restorer}])


def wanted() -> Job[Any]:
    return Job(lambda _: None, 60)


def cut(top: int, height: int = 40) -> Picture:
    return Picture(np.ascontiguousarray(data.astronaut()[top : top + height, 100:150]))


Restored = Future[tuple[Picture, float]]


def ask(pool: ThreadPoolExecutor, devices: Devices) -> Callable[[Picture, float], Restored]:
    def submit(picture: Picture, strength: float = 1.0) -> Restored:
        count = len(devices._waiting)
        future = pool.submit(devices.restore, "tiny", strength, picture, wanted())
        with devices._changed:  # so that they wait in this order
            devices._changed.wait_for(lambda: len(devices._waiting) > count, 0.2)
        return future

    return submit


def test_those_of_one_size_go_together(
    devices: Devices, engine: SlowEngine, tiny_network: CCNet
) -> None:
    pictures = [cut(0), cut(40), cut(80, 60), cut(120), cut(160), cut(200)]
    strengths = [1.0, 1.0, 1.0, 0.5, 1.0, 1.0]
    with ThreadPoolExecutor(8) as pool:
        submit = ask(pool, devices)
        first = submit(pictures[0], 1.0)
        assert engine.began.wait(60)
        others = [submit(*each) for each in zip(pictures[1:], strengths[1:], strict=True)]
        engine.let.set()
        results = [each.result(60) for each in (first, *others)]
    assert engine.shapes == [(1, 40, 50), (3, 40, 50), (1, 60, 50), (1, 40, 50)]
    for picture, strength, (restored, seconds) in zip(pictures, strengths, results, strict=True):
        alone = Restorer(tiny_network, device="cpu", strength=strength)(picture.pixels)
        assert np.abs(restored.pixels.astype(int) - alone).max() <= 1
        assert 0 <= seconds < 60


def test_one_that_is_cancelled_holds_up_no_other(devices: Devices, engine: SlowEngine) -> None:
    with ThreadPoolExecutor(8) as pool:
        first = ask(pool, devices)(cut(0), 1.0)
        assert engine.began.wait(60)
        unwanted = wanted()
        cancelled = pool.submit(devices.restore, "tiny", 1.0, cut(40), unwanted)
        last = ask(pool, devices)(cut(80), 1.0)
        unwanted.cancel()
        with pytest.raises(StoppedError):
            cancelled.result(60)
        engine.let.set()
        assert first.result(60)[0].pixels.shape == last.result(60)[0].pixels.shape == (40, 50, 3)
    assert engine.shapes == [(1, 40, 50), (1, 40, 50)]


def test_what_fails_fails_for_all_that_went_together(
    devices: Devices, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(8) as pool:
        submit = ask(pool, devices)
        first = submit(cut(0), 1.0)
        assert engine.began.wait(60)
        others = [submit(cut(40 * number), 1.0) for number in (1, 2)]

        def fail(*_: object) -> list[Picture]:
            raise RuntimeError("broken")

        monkeypatch.setattr(Restorer, "restore_pictures", fail)
        engine.let.set()
        first.result(60)
        for each in others:
            with pytest.raises(RuntimeError, match="broken"):
                each.result(60)
        monkeypatch.undo()
        assert submit(cut(0), 1.0).result(60)[0].pixels.shape == (40, 50, 3)
