"""PyTorch on a CPU or a GPU.

The number of CPU threads is PyTorch's own (`torch.set_num_threads`, `OMP_NUM_THREADS`), which is
the process's to choose and is not touched here.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ccnet.errors import PictureError, UsageError, WeightsError
from ccnet.machine import find_device
from ccnet.network import Average, CCNet, PinnedAverages, picture_average
from ccnet.network.inference import for_inference
from ccnet.restoration.engines.engine import Averages
from ccnet.restoration.engines.torch_averages import measure_averages

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_CPU_BYTES = 2 << 30
"""Working memory on a CPU: fixed, so that the same picture comes out the same on a busy day."""

_BYTES_PER_PIXEL = {torch.float32: (210, 43), torch.bfloat16: (360, 19), torch.float16: (360, 19)}
"""The network's peak memory (measured on a CPU): a constant, and that for each channel of width."""


class TorchEngine:
    """Runs a copy of a CCNet on one device; see `Engine`.

    `device` is auto, cpu, cuda, cuda:N or mps; `precision` auto, float32, bfloat16 or float16, the
    last two by autocast. auto takes a GPU where there is one, and float32: bfloat16 comes out 43 to
    47 dB from it with the small trained network, for a quarter less time on a CPU with AVX-512.
    Raises UsageError for a device that is not there.
    """

    def __init__(self, network: CCNet, *, device: str = "auto", precision: str = "auto") -> None:
        self._device = torch.device(find_device(device))
        self._dtype = find_dtype(precision)
        constant, per_channel = _BYTES_PER_PIXEL[self._dtype]
        per_pixel = constant + per_channel * network.width
        self.most_pixels = _working_bytes(self._device) // per_pixel
        if self._device.type == "cpu":
            network = for_inference(network)
        else:  # where a grouped convolution is one kernel, and shifts are many
            network = copy.deepcopy(network).eval().requires_grad_(False)
        network = network.to(self._device, torch.float32)
        self._network: CCNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def restore(
        self, batch: NDArray[np.float32], averages: Averages | None = None
    ) -> NDArray[np.float32]:
        """Restore (N, H, W, 3) in [0, 1].

        Raises:
            PictureError: The device's memory does not hold the batch.
            WeightsError: The network gives numbers that are not finite.
        """
        pins = [torch.from_numpy(values).to(self._device) for values in averages or ()]

        def average() -> Average:
            return PinnedAverages(pins) if pins else picture_average

        return self._run(batch, average).cpu().numpy()

    def measure(
        self,
        picture: NDArray[np.float32],
        side: int,
        progress: Callable[[float], object] | None = None,
    ) -> Averages:
        """Measure the averages of (H, W, 3) in tiles. Raises as `restore` does."""
        averages = measure_averages(self._network, picture, side, self._run, progress)
        return [values.cpu().numpy() for values in averages]

    def _run(self, batch: NDArray[np.float32], average: Callable[[], Average]) -> torch.Tensor:
        """Run the network; once more in float32 where a lower precision overflows."""
        pictures = torch.from_numpy(np.require(batch, np.float32, ["C", "W"])).to(self._device)
        pictures = pictures.permute(0, 3, 1, 2)  # this is channels_last, and moves nothing
        for dtype in dict.fromkeys((self._dtype, torch.float32)):
            half = dtype != torch.float32
            try:
                with (
                    torch.inference_mode(),
                    torch.autocast(self._device.type, dtype if half else None, enabled=half),
                ):
                    restored = self._network(pictures, average()).float()
            except torch.OutOfMemoryError as error:
                raise PictureError(
                    f"{self._device} has too little memory for {math.prod(batch.shape[:3])} pixels "
                    "at once; ask for smaller tiles."
                ) from error
            if restored.isfinite().all():
                clamped: torch.Tensor = restored.clamp(0, 1).permute(0, 2, 3, 1)
                return clamped
            if half:
                warnings.warn(
                    f"{dtype} overflowed, and the picture is restored in float32.",
                    RuntimeWarning,
                    stacklevel=3,
                )
        raise WeightsError("The network gives numbers that are not finite; its weights are broken.")


def find_dtype(precision: str) -> torch.dtype:
    """Find what to compute in by its name; auto is float32. Raises UsageError."""
    if precision == "auto":
        return torch.float32
    if precision not in PRECISIONS:
        raise UsageError(f"precision={precision} is none of auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[precision]


def _working_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 2
    if device.type == "mps":
        return torch.mps.recommended_max_memory() // 2
    return _CPU_BYTES
