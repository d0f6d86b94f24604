"""ONNX Runtime on a CPU, without torch."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ccnet.errors import WeightsError
from ccnet.machine import processors
from ccnet.restoration.engines.averages import WHOLE, Core, measure_averages
from ccnet.restoration.engines.engine import Averages, Floats, Pixels
from ccnet.restoration.engines.shared import (
    CPU_BYTES,
    NOT_FINITE,
    inputs_of,
    memory_watched,
    shallow_inputs_of,
    threads,
    to_pictures,
)
from ccnet.weights.onnx_files import read_onnx

_BYTES_PER_CHANNEL = 44
"""The network's peak memory for a pixel and each channel of width (`benchmarks/memory.py`)."""


class OnnxRuntimeEngine:
    """Runs a network from an ONNX file of ours; see `Engine`.

    Raises `WeightsError` for a file that is none of ours.
    """

    together = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.description = "ONNX Runtime in float32 on cpu"
        file = read_onnx(path)
        self._session = _session(file.model)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._shallow = _session(base64.b64decode(metadata["shallow"]) + file.weights)
        self._count = self._session.get_inputs()[1].shape[1]
        width = self._shallow.get_outputs()[0].shape[1] // 12
        self.most_pixels = CPU_BYTES // (_BYTES_PER_CHANNEL * width)

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        if averages is None and len(batch) > 1:  # whose averages the file would take together
            return np.concatenate([self.restore(picture[None]) for picture in batch])
        given = np.empty(0, np.float32) if averages is None else averages
        return to_pictures(self._run("restored", batch, given, WHOLE))

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        return measure_averages(picture, side, self._measure_shallow, self._measure, progress)

    def release_memory(self) -> None:
        """Do nothing: each run gives back what it took."""

    def _measure_shallow(self, batch: Floats, core: Core) -> Floats:
        with memory_watched(batch):
            averages: Floats = _run(self._shallow, None, shallow_inputs_of(batch, core))[0][0]
        return averages

    def _measure(self, batch: Floats, given: Averages, core: Core) -> Averages:
        averages: Averages = self._run("measured", batch, given, core)[0]
        return averages

    def _run(self, output: str, batch: Floats, given: Averages, core: Core) -> Floats:
        with memory_watched(batch):
            inputs = inputs_of(batch, given, core, self._count)
            result: Floats = _run(self._session, [output], inputs)[0]
        if not np.isfinite(result).all():
            raise WeightsError(NOT_FINITE)
        return result


def _run(
    session: onnxruntime.InferenceSession,
    outputs: list[str] | None,
    inputs: dict[str, NDArray[Any]],
) -> list[Floats]:
    options = onnxruntime.RunOptions()
    # Else a session keeps the memory of its largest picture for as long as it lives.
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    results: list[Floats] = session.run(outputs, inputs, options)
    return results


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Its own choice would bind each thread to a core, the same ones in all processes.
    options.intra_op_num_threads = threads() or processors()
    options.log_severity_level = 4  # not errors, which are raised
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
