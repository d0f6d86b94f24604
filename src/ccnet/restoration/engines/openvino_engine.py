"""OpenVINO on a CPU, without torch.

The shallow inputs are run apart, always in float32: their instance norm divides small differences
by small deviations, and in bfloat16, too, they alone bring results 20 dB farther from those in
float32 (docs/engines.md).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TypeAlias

import numpy as np

import ccnet
from ccnet.errors import WeightsError
from ccnet.openvino_core import make_core, openvino, operators
from ccnet.restoration.engines.averages import WHOLE, Core, measure_averages
from ccnet.restoration.engines.compiled import read_or_compile
from ccnet.restoration.engines.engine import Averages, Floats, Pixels
from ccnet.restoration.engines.shared import (
    CPU_BYTES,
    NOT_FINITE,
    inputs_of,
    memory_watched,
    shallow_inputs_of,
    threads,
    to_pictures,
    trim_memory,
    warn_of_overflow,
)
from ccnet.weights.onnx_files import read_onnx

HINTS = {"float32": "f32", "bfloat16": "bf16"}

_BYTES_PER_PIXEL = {"float32": (180, 40), "bfloat16": (180, 33)}
"""The network's peak memory (`benchmarks/memory.py`): a constant, and that for each channel of
width."""

_SHALLOW = "shallow"
"""The metadata with the part that measures the averages of the shallow inputs."""

_FEATURES = ("shallow_half", "shallow_quarter")
"""Names of the shallow inputs' features in the file."""


Shape: TypeAlias = "tuple[int, int, int]"
"""Pictures of a batch, and their pixels down and across."""

_Key: TypeAlias = "tuple[str, str, Shape | None]"
"""A part of the network, what it computes in, and the one shape that it is for."""

_FIXED_FROM = 750_000
"""Pixels from which the network is compiled for the shape of a picture that is taken whole."""

_SHAPES_KEPT = 6
"""Those of a picture's tiles, of which the last ones of a row and a column may be smaller."""


class OpenVinoEngine:
    """Runs a network from an ONNX file of ours; see `Engine`.

    `precision` is float32, or bfloat16 where the CPU has it: docs/engines.md tells how far that is
    from float32. Raises `WeightsError` for a file that is none of ours.
    """

    together = 1

    def __init__(self, path: str | os.PathLike[str], *, precision: str) -> None:
        self._core = make_core()
        self._precision = precision
        self.description = f"OpenVINO in {self._precision} on cpu"
        self._file = read_onnx(path)
        # What is compiled is made of the file by this version of `_part`.
        self._name = f"{ccnet.__version__} {self._file.checksum}"
        self._compiled: dict[_Key, openvino.CompiledModel] = {}
        self._compiling = Lock()
        width = self._compile(_SHALLOW, "float32").output(0).shape[1] // 12
        constant, per_channel = _BYTES_PER_PIXEL[self._precision]
        self.most_pixels = CPU_BYTES // (constant + per_channel * width)

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        if averages is None and len(batch) > 1:  # whose averages the file would take together
            return np.concatenate([self.restore(picture[None]) for picture in batch])
        if averages is None:
            return to_pictures(self._run("own", batch, np.empty(0, np.float32), WHOLE))
        return to_pictures(self._run("pinned", batch, averages, WHOLE))

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        averages = measure_averages(picture, side, self._measure_shallow, self._measure, progress)
        self.release_memory()
        return averages

    def release_memory(self) -> None:
        for model in list(self._compiled.values()):
            _release(model)
        trim_memory()

    def _measure_shallow(self, batch: Floats, core: Core) -> Floats:
        with memory_watched(batch, self._begin_anew):
            request = self._compile(_SHALLOW, "float32").create_infer_request()
            averages: Floats = request.infer(shallow_inputs_of(batch, core))[0][0].copy()
        self.release_memory()
        return averages

    def _measure(self, batch: Floats, given: Averages, core: Core) -> Averages:
        averages: Averages = self._run("measured", batch, given, core)[0].copy()
        return averages

    def _run(self, part: str, batch: Floats, given: Averages, core: Core) -> Floats:
        """Give what a part puts out; once more in float32 where a lower precision overflows."""
        shape = self._fixed_shape(part, batch)
        for precision in dict.fromkeys((self._precision, "float32")):
            with memory_watched(batch, self._begin_anew):
                shallow = self._compile("features", "float32")
                count = shallow.input("averages").shape[1]
                inputs = inputs_of(batch, given, core, count)
                # Requests are made anew, for threads cannot share one.
                features = shallow.create_infer_request()
                features.infer(inputs)
                if shape is not None:  # else the network's own work comes on top of theirs
                    _release(shallow)
                    trim_memory()
                request = self._compile(part, precision, shape).create_infer_request()
                for index, name in enumerate(_FEATURES):
                    tensor = features.get_output_tensor(index)
                    if 0 in tensor.shape:  # how OpenVINO may tell that memory ran out
                        raise MemoryError
                    request.set_tensor(name, tensor)
                result: Floats = request.infer(inputs)[0]
                if result.size == 0:
                    raise MemoryError
            if np.isfinite(result).all():
                return result
            if precision != "float32":
                warn_of_overflow(precision)
        raise WeightsError(NOT_FINITE)

    def _begin_anew(self) -> None:
        """Drop what ran out of memory.

        It, or what is compiled by the core of what did, can end the process when it is run again.
        """
        with self._compiling:
            self._core = make_core()
            self._compiled.clear()

    def _fixed_shape(self, part: str, batch: Floats) -> Shape | None:
        """Give the batch's shape where the network is compiled for it alone.

        That takes a second, once, and then a tenth less time and a quarter less memory. Tiles have
        one shape; small pictures may all have different ones, and are restored sooner than the
        network is compiled. It hangs on nothing else, so that a picture always comes out the same.
        """
        samples, height, width, _ = batch.shape
        small = part == "own" and samples * height * width < _FIXED_FROM
        return None if small else (samples, height, width)

    def _compile(
        self, part: str, precision: str, shape: Shape | None = None
    ) -> openvino.CompiledModel:
        """Compile a part of the network when it is first needed, for any shape or for one."""
        key = (part, precision, shape)
        with self._compiling:
            if shape is not None and self._fixed_keys()[-1:] != [key]:
                self.release_memory()
            compiled = self._compiled.pop(key, None)
            if compiled is None:
                hints: dict[str, str | int] = {
                    "INFERENCE_PRECISION_HINT": HINTS[precision],
                    "ENABLE_CPU_PINNING": False,  # all processes would take the same cores
                    "CPU_RUNTIME_CACHE_CAPACITY": "0",  # it grows with each shape, without end
                }
                if (count := threads()) is not None:
                    hints["INFERENCE_NUM_THREADS"] = count
                name, make = f"{self._name} {part} {shape}", partial(self._part, part, shape)
                compiled = read_or_compile(self._core, name, make, hints)
                trim_memory()
            self._compiled[key] = compiled  # what was used last stands last
            for old in self._fixed_keys()[:-_SHAPES_KEPT]:
                del self._compiled[old]
        return compiled

    def _fixed_keys(self) -> list[_Key]:
        """List what is compiled for one shape, in the order in which it was used."""
        return [key for key in self._compiled if key[2] is not None]

    def _part(self, part: str, shape: Shape | None) -> openvino.Model:
        """Cut out the shallow inputs' averages or features, or what gives an output from these."""
        model = self._core.read_model(model=self._file.model)
        if part == _SHALLOW:
            encoded = model.get_rt_info(["framework", _SHALLOW]).astype(str)
            return self._core.read_model(model=base64.b64decode(encoded) + self._file.weights)
        if shape is not None:
            samples, height, width = shape
            model.reshape({"pictures": [samples, 3, height, width]})
        inputs = model.get_parameters()
        features = model.add_outputs(list(_FEATURES))
        if part == "features":
            return openvino.Model(features, inputs)
        for name, feature in zip(_FEATURES, features, strict=True):
            source = feature.get_node().input_value(0)
            instead = operators.parameter(source.get_partial_shape(), np.float32)
            instead.output(0).set_names({name})
            for target in source.get_target_inputs():
                target.replace_source_output(instead.output(0))
            inputs.append(instead)
        if part != "measured":
            _settle(model, pinned=part == "pinned")
        output = "measured" if part == "measured" else "restored"
        return openvino.Model([model.output(output)], inputs)


def _release(model: openvino.CompiledModel) -> None:
    with suppress(RuntimeError):  # of one that another thread's picture is using
        model.release_memory()


def _settle(model: openvino.Model, *, pinned: bool) -> None:
    """Take out of a model what it measures of averages that are all given, or all its own.

    To cut the core out of each, which is all of them here, would take a tenth of the time.
    """
    for choice in model.get_ops():
        if choice.get_type_name() == "Select":  # a given average, or in place of NaN its own
            chosen = choice.input_value(2 if pinned else 1)
            if not pinned:
                mean = chosen.get_node()
                mean.input(0).replace_source_output(mean.input_value(0).get_node().input_value(0))
            for target in choice.output(0).get_target_inputs():
                target.replace_source_output(chosen)
