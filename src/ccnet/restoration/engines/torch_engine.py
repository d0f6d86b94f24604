"""PyTorch on a CPU or a GPU.

The number of CPU threads is PyTorch's own (`torch.set_num_threads`, `OMP_NUM_THREADS`), which is
the process's to choose and is not touched here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ccnet.errors import WeightsError
from ccnet.network import Average, CCNet, PartAverages, PinnedAverages, picture_average
from ccnet.network.ccnet import keep_shallow_exact
from ccnet.network.inference import for_inference
from ccnet.network.padding import fitting_size, pad_to_fit
from ccnet.restoration.engines.averages import Core, measure_averages
from ccnet.restoration.engines.cuda_graphs import GraphedRun
from ccnet.restoration.engines.engine import Averages, Floats, Pixels
from ccnet.restoration.engines.shared import (
    CPU_BYTES,
    NOT_FINITE,
    memory_watched,
    warn_of_overflow,
)

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_BYTES_PER_PIXEL = {torch.float32: (210, 43), torch.bfloat16: (360, 19), torch.float16: (360, 19)}
"""The network's peak memory on a CPU (`benchmarks/memory.py`): a constant, and that for each
channel of width."""

_TOGETHER = 8
"""Pictures of one size, frames or tiles, in a batch on a GPU; on a CPU more than one only take
longer."""


class TorchEngine:
    """Runs a copy of a CCNet on one device; see `Engine`.

    `device` is cpu, cuda, cuda:N or mps; `precision` float32, bfloat16 or float16, the last two by
    autocast (docs/engines.md tells what each costs and saves).
    """

    def __init__(self, network: CCNet, *, device: str, precision: str) -> None:
        self._device = torch.device(device)
        self._dtype = PRECISIONS[precision]
        self.description = f"PyTorch in {precision} on {self._device}"
        constant, per_channel = _BYTES_PER_PIXEL[self._dtype]
        per_pixel = constant + per_channel * network.width
        self.most_pixels = _working_bytes(self._device) // per_pixel
        self.together = 1 if self._device.type == "cpu" else _TOGETHER
        if self._device.type == "cpu":
            network = for_inference(network)
        else:  # where a grouped convolution is one kernel, and shifts are many
            network = copy.deepcopy(network).eval().requires_grad_(False)
        network = network.to(self._device, torch.float32)
        keep_shallow_exact(network, self._device.type)
        self._network: CCNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        run = partial(run_network, self._network, self._dtype)
        self._graphed = GraphedRun(run) if self._device.type == "cuda" else None

    def restore(self, batch: Floats, averages: Averages | None = None) -> Floats:
        def average() -> Average:
            return picture_average if averages is None else PinnedAverages(self._tensor(averages))

        return self._run(batch, average).cpu().numpy()

    def measure(
        self, picture: Pixels, side: int, progress: Callable[[float], object] | None = None
    ) -> Averages:
        return measure_averages(picture, side, self._measure_shallow, self._measure, progress)

    def release_memory(self) -> None:
        """Drop CUDA graphs; what else PyTorch keeps on a GPU serves all engines."""
        if self._graphed is not None:
            self._graphed.release()

    def _measure_shallow(self, batch: Floats, core: Core) -> Floats:
        with self._watched(batch):
            pictures = pad_to_fit(self._tensor(batch).permute(0, 3, 1, 2), self._network.smallest)
            averages = PartAverages(core, pictures.shape[2])
            self._network.shallow_half(pictures[:, :, ::2, ::2], averages)
            self._network.shallow_quarter(pictures[:, :, ::4, ::4], averages)
        return _joined(averages)

    def _measure(self, batch: Floats, given: Averages, core: Core) -> Averages:
        runs: list[PartAverages] = []
        height = fitting_size(batch.shape[1], self._network.smallest)

        def average() -> Average:
            runs.append(PartAverages(core, height, self._tensor(given)))
            return runs[-1]

        self._run(batch, average)
        return _joined(runs[-1])

    def _tensor(self, array: Floats) -> Tensor:
        return torch.from_numpy(np.require(array, np.float32, ["C", "W"])).to(self._device)

    def _run(self, batch: Floats, average: Callable[[], Average]) -> Tensor:
        """Run the network; once more in float32 where a lower precision overflows."""
        for dtype in dict.fromkeys((self._dtype, torch.float32)):
            with self._watched(batch):
                # To permute this is channels_last already, and moves nothing.
                pictures = self._tensor(batch).permute(0, 3, 1, 2)
                taken = average()
                if self._graphed is not None and taken is picture_average and dtype == self._dtype:
                    restored = self._graphed(pictures)
                else:
                    restored = run_network(self._network, dtype, pictures, taken)
                if restored.isfinite().all():
                    clamped: Tensor = restored.clamp(0, 1).permute(0, 2, 3, 1)
                    return clamped
            if dtype != torch.float32:
                warn_of_overflow(str(dtype).removeprefix("torch."))
        raise WeightsError(NOT_FINITE)

    @contextmanager
    def _watched(self, batch: Floats) -> Iterator[None]:
        # Graphs are recorded on the GPU that is current.
        current = torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()
        with memory_watched(batch, self.release_memory), current, torch.inference_mode():
            yield


def run_network(
    network: CCNet, dtype: torch.dtype, pictures: Tensor, average: Average = picture_average
) -> Tensor:
    """Restore (N, 3, H, W) in [0, 1], by autocast unless in float32: the same shape in float32."""
    half = dtype != torch.float32
    with torch.autocast(pictures.device.type, dtype if half else None, enabled=half):
        restored: Tensor = network(pictures, average)
        return restored.float()


def _joined(averages: PartAverages) -> Averages:
    return torch.cat([values.flatten() for values in averages.values]).cpu().numpy()


def _working_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 2
    if device.type == "mps":
        return torch.mps.recommended_max_memory() // 2
    return CPU_BYTES
