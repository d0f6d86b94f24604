"""Which engine runs a model, and engines that stay loaded between calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet, ref

from ccnet.errors import MissingExtraError, UsageError, WeightsError
from ccnet.extras import require
from ccnet.machine import find_device, has_bfloat16
from ccnet.weights.registry import ONNX, find_onnx, find_weights

if TYPE_CHECKING:
    from ccnet.network import CCNet
    from ccnet.restoration.engines import Engine

PRECISIONS = {
    "openvino": ("float32", "bfloat16"),
    "torch": ("float32", "bfloat16", "float16"),
    "onnxruntime": ("float32",),
}
"""What engines compute in, the fastest on a CPU first (docs/engines.md)."""


def choose_engine(
    engine: str, device: str, precision: str, able: Collection[str] = PRECISIONS.keys()
) -> str:
    """Choose what runs a model.

    Args:
        engine: A key of `PRECISIONS`, or "auto": torch on a GPU, and on the CPU the fastest that
            is installed.
        device: Where; see `machine.find_device`.
        precision: What it must compute in, or "auto".
        able: The engines that can read the model.

    Raises:
        UsageError: There is no such engine, device or precision, or not all of them together.
        MissingExtraError: The engine is not installed, or torch for a GPU.
    """
    _check("engine", engine, PRECISIONS)
    _check("precision", precision, PRECISIONS["torch"])
    if device != "auto":
        find_device(device)  # whatever runs there, one that is not there is told now
    names = [name for name in PRECISIONS if name in able]
    if engine != "auto":
        names = [engine]
    elif "torch" in names and find_device(device) != "cpu":
        names = ["torch"]
    elif precision != "auto":
        names = [name for name in names if precision in _precisions(name)] or names
    name = next((name for name in names if find_spec(name)), names[0])
    if precision not in ("auto", *_precisions(name)):
        there = ", ".join(_precisions(name))
        raise UsageError(
            f"precision={precision} is not one of engine={name}, which has {there} here."
        )
    if name != "torch" and device != "auto" and find_device(device) != "cpu":
        raise UsageError(f"device={device} needs engine=torch; engine={name} runs on the CPU.")
    if find_spec(name) is None:
        if name == "openvino":  # which all have, unless they went without what we depend on
            raise MissingExtraError("engine=openvino needs openvino: pip install openvino")
        require(name, f"engine={name}" if engine == name else f"precision={precision}")
    return name


class Turns:
    """Engines asked in turn, of which only the latest keeps memory for its next picture.

    They are held weakly: what is no longer loaded is freed as a whole.
    """

    def __init__(self) -> None:
        self._engines: WeakSet[Engine] = WeakSet()
        self._latest: Callable[[], Engine | None] = lambda: None
        self._lock = Lock()

    def take(self, engine: Engine) -> None:
        """Free what the other engines keep that took a turn before.

        One that another thread's picture is using keeps its memory until the next change of turns.
        """
        with self._lock:
            if self._latest() is engine:
                return
            for other in self._engines:
                if other is not engine:
                    other.release_memory()
            self._engines.add(engine)
            self._latest = ref(engine)


TURNS = Turns()
"""Those of the whole process, for engines stay loaded when the restorers that use them are gone."""


def load_engine(
    model: str | os.PathLike[str] | CCNet, *, engine: str, device: str, precision: str
) -> Engine:
    """Load a model for an engine, or take it from the last three; files that change are read anew.

    Args:
        model: A name, a task, a file of weights, an ONNX file that `ccnet export --averages` wrote,
            or a network, which only torch runs.
        engine: What to run it with, as for `choose_engine`.
        device: Where.
        precision: What in.

    Raises:
        UsageError: As `choose_engine` does, or it has no engine for this model.
        MissingExtraError: As `choose_engine` does.
        WeightsError: There is no such model, or its file is broken.
    """
    if not isinstance(model, (str, os.PathLike)):
        if choose_engine(engine, device, precision, ("torch",)) != "torch":
            raise UsageError(f"engine={engine} runs models by name or file; a CCNet needs torch.")
        device = find_device(device)
        if precision == "auto":
            precision = _fastest("torch", device)
        from torch.nn import Module

        from ccnet.restoration.engines.torch_engine import TorchEngine

        if not isinstance(model, Module):
            raise UsageError(
                f"A {type(model).__name__} is no model: give a name, a path or a CCNet."
            )
        return TorchEngine(model, device=device, precision=precision)
    path, able = _find(model, engine)
    name = choose_engine(engine, device, precision, able)
    if name not in able:
        raise UsageError(f"engine=torch runs no ONNX; restore {model} with another engine.")
    if name == "torch":
        path = find_weights(model)
    device = find_device(device) if name == "torch" else "cpu"
    if precision == "auto":
        precision = _fastest(name, device)
    stamps = [_stamp(path)]
    if path.suffix.lower() == ONNX:  # whose weights may be beside it
        stamps.append(_stamp(path.with_suffix(".safetensors")))
    if stamps[0] is not None:  # else its name is told as it was given
        path = path.absolute()
    return _load(path, tuple(stamps), name, device, precision)


def _check(what: str, name: str, there: Collection[str]) -> None:
    if name not in ("auto", *there):
        raise UsageError(f"{what}={name} is none of auto, {', '.join(there)}.")


def _precisions(engine: str) -> tuple[str, ...]:
    """List what an engine computes in on this machine."""
    # Where the CPU has no bfloat16, OpenVINO would compute in float32 and not say so. Without
    # OpenVINO, whom that is asked of, what is missing is told later.
    if engine == "openvino" and find_spec(engine) and not has_bfloat16("cpu"):
        return ("float32",)
    return PRECISIONS[engine]


def _fastest(engine: str, device: str) -> str:
    """Tell what an engine computes in where nothing is asked for."""
    if engine == "torch":
        return "float16" if device.startswith("cuda") else "float32"
    return _precisions(engine)[-1]


def _stamp(path: Path) -> tuple[int, int] | None:
    """Give what changes with a file; None where who reads it tells what is wrong."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # the latter for a zero byte in the name
        return None
    return status.st_mtime_ns, status.st_size


def _find(model: str | os.PathLike[str], engine: str) -> tuple[Path, Collection[str]]:
    """Find a model's ONNX file, if it has one, and the engines that can run the model."""
    try:
        path = find_onnx(model)
    except WeightsError:
        if engine not in ("auto", "torch") or find_spec("torch") is None:
            raise
        return Path(), ("torch",)
    if Path(model).suffix.lower() == ONNX:
        return path, ("openvino", "onnxruntime")
    return path, tuple(PRECISIONS)


@lru_cache(maxsize=3)
def _load(
    path: Path,
    _stamps: tuple[tuple[int, int] | None, ...],
    engine: str,
    device: str,
    precision: str,
) -> Engine:
    if engine == "openvino":
        from ccnet.restoration.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(path, precision=precision)
    if engine == "onnxruntime":
        from ccnet.restoration.engines.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path)
    from ccnet.restoration.engines.torch_engine import TorchEngine
    from ccnet.weights.files import read_network

    return TorchEngine(read_network(path), device=device, precision=precision)
