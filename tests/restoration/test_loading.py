from __future__ import annotations

import importlib
import os
import shutil
import sys
from importlib.util import find_spec as really_find
from pathlib import Path
from typing import Any

import pytest

from ccnet.errors import CCNetError, MissingExtraError, UsageError, WeightsError
from ccnet.network import CCNet
from ccnet.restoration import AutoRestorer, Restorer, loading
from ccnet.restoration.loading import choose_engine, load_engine
from ccnet.weights.registry import DEFAULTS, MODELS, model_of

ONNX = MODELS / "dehaze-small.onnx"
WEIGHTS = MODELS / "dehaze-small.safetensors"
ALL = ("openvino", "torch", "onnxruntime")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes engines look as if only some were installed."""

    def install(*names: str) -> None:
        def find(package: str) -> object:
            return really_find(package) if package not in ALL or package in names else None

        for place in ("ccnet.restoration.loading", "ccnet.extras", "ccnet.machine"):
            monkeypatch.setattr(f"{place}.find_spec", find)

    return install


@pytest.mark.parametrize(
    ("installed", "precision", "chosen"),
    [
        (ALL, "auto", "openvino"),
        (ALL, "float16", "torch"),
        (("torch", "onnxruntime"), "auto", "torch"),
        (("torch", "onnxruntime"), "bfloat16", "torch"),
        (("onnxruntime",), "auto", "onnxruntime"),
        (("onnxruntime",), "float32", "onnxruntime"),
    ],
)
def test_auto_takes_the_fastest_on_a_cpu(
    only: Any, installed: tuple[str, ...], precision: str, chosen: str
) -> None:
    only(*installed)
    assert choose_engine("auto", "cpu", precision) == chosen


def test_auto_takes_bfloat16_where_it_is(only: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU has none, OpenVINO would compute in float32 and not say so."""
    for has, chosen in ((True, "openvino"), (False, "torch")):
        monkeypatch.setattr(loading, "has_bfloat16", lambda _, has=has: has)
        assert choose_engine("auto", "cpu", "bfloat16") == chosen
        there = "float32, bfloat16 here" if has else "float32 here"
        with pytest.raises(UsageError, match=f"engine=openvino, which has {there}"):
            choose_engine("openvino", "cpu", "float16")
    with pytest.raises(UsageError, match="engine=openvino, which has float32 here"):
        AutoRestorer(engine="openvino", precision="bfloat16")
    only("openvino")
    with pytest.raises(MissingExtraError, match="precision=bfloat16 needs torch"):
        choose_engine("auto", "cpu", "bfloat16")


def test_auto_takes_torch_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_device", lambda _: "cuda:0")
    assert choose_engine("auto", "auto", "auto") == "torch"
    assert choose_engine("auto", "cuda:0", "bfloat16") == "torch"
    assert choose_engine("openvino", "auto", "auto") == "openvino"
    assert choose_engine("auto", "auto", "auto", ("openvino", "onnxruntime")) == "openvino"
    with pytest.raises(UsageError, match="device=cuda:0 needs engine=torch"):
        choose_engine("openvino", "cuda:0", "auto")


@pytest.mark.parametrize(
    ("engine", "device", "precision", "words"),
    [
        ("tensorrt", "auto", "auto", "engine=tensorrt is none of auto, openvino"),
        ("auto", "auto", "int8", "precision=int8 is none of auto, float32"),
        ("openvino", "auto", "float16", "engine=openvino, which has float32"),
        ("onnxruntime", "auto", "bfloat16", "engine=onnxruntime, which has float32"),
        ("openvino", "tpu", "auto", "device=tpu"),
        ("auto", "cuda:99", "auto", "device=cuda:99"),
        ("torch", "nonsense", "auto", "device=nonsense"),
        ("auto", None, "auto", "device=None"),
    ],
)
def test_what_cannot_be_had_is_told(engine: str, device: Any, precision: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_engine(engine, device, precision)
    with pytest.raises(UsageError, match=words):
        Restorer("dehaze", engine=engine, device=device, precision=precision)
    with pytest.raises(UsageError, match=words):
        AutoRestorer(engine=engine, device=device, precision=precision)


@pytest.mark.parametrize(
    ("installed", "engine", "precision", "words"),
    [
        (("openvino",), "torch", "auto", r'engine=torch needs torch: .*"ccnet-restore\[torch\]"'),
        (("torch",), "onnxruntime", "auto", r'onnxruntime: .*"ccnet-restore\[onnxruntime\]"'),
        (("torch",), "openvino", "auto", "pip install openvino"),
        (("openvino",), "auto", "float16", r"precision=float16 needs torch: "),
        ((), "auto", "auto", "pip install openvino"),
    ],
)
def test_an_engine_that_is_not_installed_is_told(
    only: Any, installed: tuple[str, ...], engine: str, precision: str, words: str
) -> None:
    only(*installed)
    with pytest.raises(MissingExtraError, match=words):
        choose_engine(engine, "cpu", precision)


def test_without_openvino_no_one_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # which makes importing it fail
    with pytest.raises(ImportError):
        importlib.import_module("openvino")
    for precision in ("auto", "float32", "bfloat16"):
        with pytest.raises(MissingExtraError, match="pip install openvino"):
            choose_engine("openvino", "cpu", precision)
        assert choose_engine("auto", "cpu", precision) == "torch"
    with pytest.raises(MissingExtraError, match="pip install openvino"):
        Restorer(ONNX, engine="openvino", device="cpu")


@pytest.mark.parametrize("model", [None, 3, "a\0b.onnx", "a\0b.safetensors"])
def test_what_is_no_model_is_told(model: Any) -> None:
    with pytest.raises((UsageError, WeightsError), match=r"is (no model|not there)"):
        Restorer(model)


def test_models_are_run_by_what_can_run_them(tiny_network: CCNet) -> None:
    def loaded(model: Any, engine: str = "auto") -> str:
        engine = load_engine(model, engine=engine, device="cpu", precision="float32").description
        return engine.partition(" in float32")[0]

    assert loaded("dehaze") == loaded(ONNX) == loaded(str(ONNX)) == "OpenVINO"
    assert all(loaded(model_of(task, "large")) == "OpenVINO" for task in DEFAULTS)
    assert loaded(ONNX, "onnxruntime") == "ONNX Runtime"
    assert loaded(WEIGHTS) == loaded(tiny_network) == loaded("dehaze", "torch") == "PyTorch"


@pytest.mark.parametrize(
    ("model", "engine", "error", "words"),
    [
        (WEIGHTS, "openvino", WeightsError, r"dehaze-small\.safetensors comes without ONNX"),
        (ONNX, "torch", UsageError, "engine=torch runs no ONNX"),
        (Path("none.onnx"), "auto", WeightsError, r"none\.onnx is not there"),
        ("derain", "auto", WeightsError, "No model or task is called 'derain'"),
        ("derain", "openvino", WeightsError, "No model or task is called 'derain'"),
    ],
)
def test_models_that_an_engine_cannot_run_are_told(
    model: Any, engine: str, error: type[CCNetError], words: str
) -> None:
    with pytest.raises(error, match=words):
        load_engine(model, engine=engine, device="cpu", precision="auto")


def test_a_network_is_run_by_torch_alone(tiny_network: CCNet) -> None:
    with pytest.raises(UsageError, match="a CCNet needs torch"):
        load_engine(tiny_network, engine="openvino", device="cpu", precision="auto")


def test_weights_of_ones_own_need_torch(only: Any) -> None:
    only("openvino", "onnxruntime")
    with pytest.raises(WeightsError, match=r'"ccnet-restore\[torch\]"'):
        load_engine(WEIGHTS, engine="auto", device="cpu", precision="auto")
    with pytest.raises(WeightsError, match=r"^none\.safetensors is not there\.$"):
        load_engine("none.safetensors", engine="auto", device="cpu", precision="auto")


def test_an_engine_stays_loaded_until_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(ONNX.read_bytes())
    weights = Path(shutil.copy(WEIGHTS, path.with_suffix(".safetensors")))

    def load() -> object:
        return load_engine(path, engine="auto", device="cpu", precision="auto")

    for file in (path, weights):
        first = load()
        assert load() is first
        os.utime(file, ns=(1, 1))
        assert load() is not first
    weights.unlink()
    with pytest.raises(WeightsError, match=r"mine\.safetensors is missing"):
        load()


@pytest.mark.parametrize(("model", "engine"), [(WEIGHTS, "torch"), (ONNX, "onnxruntime")])
def test_one_engine_does_for_all_ways_to_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, model: Path, engine: str
) -> None:
    monkeypatch.setattr(loading, "find_device", lambda _: "cpu")
    loaded = {
        load_engine(model, engine=engine, device=device, precision=precision)
        for device in ("auto", "cpu")
        for precision in ("auto", "float32")
    }
    assert len(loaded) == 1
    assert loaded.pop().description.endswith(" in float32 on cpu")
