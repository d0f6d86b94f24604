"""Every engine against the network it runs, in PyTorch."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccnet.errors import WeightsError
from ccnet.export.network import build_model
from ccnet.machine import has_bfloat16
from ccnet.network import CCNet, SharedAverages
from ccnet.openvino_core import openvino
from ccnet.restoration.engines import Engine, MemoryRanOut
from ccnet.restoration.engines.averages import sampled_averages
from ccnet.restoration.engines.onnxruntime_engine import OnnxRuntimeEngine
from ccnet.restoration.engines.openvino_engine import OpenVinoEngine
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.restoration.loading import load_engine
from ccnet.weights import load_network
from ccnet.weights.onnx_files import seal
from ccnet.weights.registry import MODELS

Floats = NDArray[np.float32]


ONNX = MODELS / "dehaze-small.onnx"


@pytest.fixture(scope="module")
def network() -> CCNet:
    return load_network("dehaze")


def write_onnx(network: CCNet, path: Path) -> Path:
    """Export a network in all digits, unchecked; what ships has its weights in float16."""
    model = build_model(network, averages=True, half=False, beside=False, metadata={})
    path.write_bytes(seal(model.SerializeToString()))
    return path


@pytest.fixture(scope="module")
def engines(network: CCNet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    onnx = write_onnx(network, tmp_path_factory.mktemp("exact") / "exact.onnx")
    return {
        "torch": TorchEngine(network, device="cpu", precision="float32"),
        "openvino": OpenVinoEngine(onnx, precision="float32"),
        "onnxruntime": OnnxRuntimeEngine(onnx),
    }


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random((*shape, 3), dtype=np.float32)


def by_network(network: CCNet, batch: Floats) -> Floats:
    with torch.no_grad():
        restored = network(torch.from_numpy(batch).permute(0, 3, 1, 2))
    pictures: Floats = restored.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return pictures


@pytest.mark.slow
@settings(max_examples=8)
@given(
    samples=st.integers(1, 3),
    height=st.integers(2, 160),
    width=st.integers(2, 160),
    seed=st.integers(0, 2**31),
)
@example(2, 131, 125, 0)
def test_all_restore_as_the_network_does(
    engines: dict[str, Engine],
    network: CCNet,
    samples: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    brightness = np.linspace(1, 0.2, samples, dtype=np.float32)[:, None, None, None]
    batch = noise(samples, height, width, seed=seed) * brightness
    before = batch.copy()
    expected = by_network(network, batch)
    for engine in engines.values():
        np.testing.assert_allclose(engine.restore(batch), expected, rtol=0, atol=1e-4)
        assert np.array_equal(batch, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_averages_are_corrected_over_all_tiles(
    engines: dict[str, Engine], network: CCNet, name: str
) -> None:
    picture = noise(300, 420) * np.linspace(0.2, 1, 420, dtype=np.float32)[:, None]
    own = SharedAverages()
    with torch.no_grad():
        network(torch.from_numpy(picture).permute(2, 0, 1)[None], own)
    wanted = torch.cat(own.values, 1).flatten().numpy()
    engine = engines[name]
    assert isinstance(engine, (TorchEngine, OpenVinoEngine, OnnxRuntimeEngine))
    shares: list[float] = []
    measured = engine.measure(picture, 512, shares.append)
    assert shares == [1.0]
    assert measured.dtype == np.float32
    np.testing.assert_allclose(measured[:192], wanted[:192], rtol=1e-4, atol=1e-5)
    # The sample leaves out two fifths of the picture, its borders among them.
    sampled = sampled_averages(picture, measured[:192], engine._measure, 16)
    assert np.abs(measured - wanted).mean() < 0.3 * np.abs(sampled - wanted).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_averages_over_tiles_agree_with_torch(engines: dict[str, Engine], name: str) -> None:
    picture = noise(530, 610) * np.linspace(0.2, 1, 610, dtype=np.float32)[:, None]
    wanted = engines["torch"].measure(picture, 512)
    measured = engines[name].measure(picture, 512)
    np.testing.assert_allclose(measured, wanted, rtol=1e-3, atol=1e-4)
    tile = picture[None, :200, :130]
    expected = engines["torch"].restore(tile, wanted)
    np.testing.assert_allclose(engines[name].restore(tile, wanted), expected, rtol=0, atol=1e-4)
    assert np.abs(engines[name].restore(tile) - expected).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("onnx", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_what_ships_gives_the_same_from_both_its_files(onnx: Path) -> None:
    picture = noise(1, 70, 150)
    expected = by_network(load_network(onnx.with_suffix(".safetensors")), picture)
    for engine in (OpenVinoEngine(onnx, precision="float32"), OnnxRuntimeEngine(onnx)):
        np.testing.assert_allclose(engine.restore(picture), expected, rtol=0, atol=1e-4)


def test_bfloat16_stays_near(network: CCNet) -> None:
    engines: list[Engine] = [TorchEngine(network, device="cpu", precision="bfloat16")]
    if has_bfloat16("cpu"):
        engines.append(OpenVinoEngine(ONNX, precision="bfloat16"))
    # Grey with faint noise, for which the norm of the shallow inputs divides by little.
    picture = 0.6 + 0.02 * noise(1, 140, 130)
    expected = by_network(network, picture)
    for engine in engines:
        difference = np.abs(engine.restore(picture) - expected)
        assert 0 < difference.max() < 0.02
        assert difference.mean() < 0.002


def test_threads_share_an_engine(engines: dict[str, Engine]) -> None:
    pictures = [noise(1, 60 + 9 * index, 80, seed=index) for index in range(6)]
    for engine in engines.values():
        alone = [engine.restore(picture) for picture in pictures]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(engine.restore, pictures))
        assert all(map(np.array_equal, alone, together))


@pytest.mark.slow
def test_pictures_of_any_and_of_fixed_shape_come_out_as_with_torch(
    network: CCNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccnet.restoration.engines.openvino_engine._FIXED_FROM", 10_000)
    engine = OpenVinoEngine(ONNX, precision="float32")
    for height, width in [(8, 9), (130, 127), (61, 200), (130, 127), (9, 8)]:
        picture = noise(1, height, width)
        expected = by_network(network, picture)
        restored, again = engine.restore(picture), engine.restore(picture)
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4)
        assert np.array_equal(restored, again)


@pytest.mark.slow
def test_threads_share_shapes_while_others_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccnet.restoration.engines.openvino_engine._FIXED_FROM", 700)
    engine = OpenVinoEngine(ONNX, precision="float32")
    pictures = [noise(1, 32, 16 + 4 * index, seed=index) for index in range(9)]
    alone = [engine.restore(picture) for picture in pictures]

    def restore_often(index: int) -> bool:
        order = (index, index, (index + 1) % 9, index)
        return all(np.array_equal(engine.restore(pictures[each]), alone[each]) for each in order)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(restore_often, range(9)))


@pytest.mark.slow
def test_threads_measure_at_once(engines: dict[str, Engine]) -> None:
    pictures = [noise(130, 130 + 4 * index, seed=index) for index in range(3)]
    for engine in engines.values():
        alone = [engine.measure(picture, 512) for picture in pictures]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(engine.measure, pictures, [512] * len(pictures)))
        assert all(map(np.array_equal, alone, together))


@pytest.fixture(scope="module")
def broken_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a network that restores nothing but NaN."""
    network = load_network("dehaze")
    with torch.no_grad():
        network.head_full.weight.fill_(torch.nan)
    return write_onnx(network, tmp_path_factory.mktemp("broken") / "broken.onnx")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.filterwarnings("ignore:bfloat16 overflowed")
def test_numbers_that_are_not_finite_are_told(broken_file: Path, name: str) -> None:
    engine = load_engine(broken_file, engine=name, device="cpu", precision="auto")
    with pytest.raises(WeightsError, match="not finite"):
        engine.restore(noise(1, 8, 8))


def test_what_overflows_is_restored_in_float32(
    broken_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, broken = (OpenVinoEngine(path, precision="float32") for path in (ONNX, broken_file))
    picture = noise(1, 30, 40)
    expected = engine.restore(picture)
    right = engine._compile

    def compile_(part: str, precision: str, shape: None = None) -> openvino.CompiledModel:
        compiler = broken._compile if precision == "bfloat16" else right
        return compiler(part, "float32", shape)

    monkeypatch.setattr(engine, "_compile", compile_)
    monkeypatch.setattr(engine, "_precision", "bfloat16")
    with pytest.warns(RuntimeWarning, match="bfloat16 overflowed"):
        restored = engine.restore(picture)
    assert np.array_equal(restored, expected)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Failed to allocate memory for requested buffer of size 123"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_memory_that_runs_out_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    engine = OpenVinoEngine(ONNX, precision="float32")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(engine, "_compile", lambda *_: _Failing(fail))
    with pytest.raises(MemoryRanOut, match="does not hold 320 pixels"):
        engine.restore(noise(1, 16, 20))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("openvino", "_compile"),
        ("onnxruntime", "_shallow"),
        ("onnxruntime", "_session"),
        ("torch", "_tensor"),
    ],
)
def test_memory_may_run_out_at_any_moment(
    name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the network is compiled, or averages are measured: the first thing with tiles."""
    engine = load_engine("dehaze", engine=name, device="cpu", precision="float32")

    def fail(*_: object) -> None:
        raise RuntimeError("std::bad_alloc")

    failing = SimpleNamespace(run=fail) if place in ("_shallow", "_session") else fail
    monkeypatch.setattr(engine, place, failing)
    picture = noise(1, 520, 516)
    with pytest.raises(MemoryRanOut, match=r"does not hold \d+ pixels"):
        engine.measure(picture[0], 512)
    if place != "_shallow":
        with pytest.raises(MemoryRanOut, match="does not hold 268320 pixels"):
            engine.restore(picture)


def test_that_memory_ran_out_can_be_told_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(MemoryRanOut(320)))
    assert isinstance(error, MemoryRanOut)
    assert str(error) == str(MemoryRanOut(320))


class _Failing:
    """A compiled model whose requests cannot be made."""

    def __init__(self, fail: Callable[..., None]) -> None:
        self.create_infer_request = fail

    def input(self, name: str) -> Floats:
        return np.empty((1, 8), np.float32)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks where threads may run")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torch"])
def test_no_thread_is_bound_to_a_core(engines: dict[str, Engine], name: str) -> None:
    """Processes side by side would bind theirs to the same one."""
    everywhere = os.sched_getaffinity(0)
    with ThreadPoolExecutor(1) as other:
        restoring = other.submit(engines[name].restore, noise(1, 500, 500))
        while not restoring.done():
            for thread in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):
                    assert os.sched_getaffinity(int(thread.name)) == everywhere
        restoring.result()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_survives_that_memory_runs_out(name: str) -> None:
    """In a process of its own, with a gigabyte more than it takes for a small picture.

    On one thread, for what fails in several at once can end the process within OpenVINO, and with
    memory there again for the small picture, as where other programs took it.
    """
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from ccnet.restoration.engines import MemoryRanOut
from ccnet.restoration.loading import load_engine
engine = load_engine("dehaze", engine=sys.argv[1], device="cpu", precision="float32")
small = np.zeros((1, 64, 64, 3), np.float32)
before = engine.restore(small)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    engine.restore(np.zeros((1, 2500, 2500, 3), np.float32))
except MemoryRanOut as error:
    print(error, flush=True)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(np.array_equal(engine.restore(small), before))
"""
    command = [sys.executable, "-c", code, name]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    assert done.stdout.startswith("Memory does not hold 6250000 pixels"), done.stderr
    assert done.stdout.endswith("True\n")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads memory as Linux tells it")
@pytest.mark.parametrize(("name", "kept"), [("openvino", 200), ("onnxruntime", -10)])
def test_what_a_large_picture_took_is_given_back(name: str, kept: int) -> None:
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from ccnet.restoration import Restorer
def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
restorer = Restorer("dehaze", engine=sys.argv[1], precision="float32")
before = megabytes()
restorer(np.zeros((900, 900, 3), np.uint8))
kept = megabytes()
restorer.release_memory()
print(kept - megabytes(), megabytes() - before)
"""
    command = [sys.executable, "-c", code, name]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=one_thread)
    given_back, left = map(float, done.stdout.split())
    assert given_back > kept  # between pictures, for the next one
    assert left < 150  # the network as compiled; freed pieces would be some 60 more
