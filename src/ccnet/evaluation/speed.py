"""How fast engines restore, against the plain network in eager PyTorch, and how near they come."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import resize

from ccnet.evaluation.cost import SIDE, count_macs
from ccnet.machine import find_device, has_bfloat16, peak_memory
from ccnet.network import CCNet, on_gpu
from ccnet.restoration.loading import PRECISIONS, load_engine
from ccnet.weights import load_network

MATRIX = 2048
"""Rows and columns of the matrices whose product tells what a machine can do at most."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Speed:
    """What one engine takes for one picture.

    Attributes:
        engine: A key of `ccnet.restoration.loading.PRECISIONS`.
        precision: What it computes in.
        side: Pixels of the picture across and down.
        seconds: For the picture, the least of all rounds: of the processor on a CPU, which other
            work on the machine disturbs little, and of the clock on a GPU.
        plain: The same of the plain network: as it is trained, in eager float32.
        psnr: In dB, to what the plain network gives.
        gigabytes: What the process took more at most than before the picture.
        reached: Multiplications a second, as a share of those of a product of matrices in the same
            precision.
    """

    engine: str
    precision: str
    side: int
    seconds: float
    plain: float
    psnr: float
    gigabytes: float
    reached: float


def combinations(device: str) -> list[tuple[str, str]]:
    """List the engines that are installed for a device, with what they do not only emulate."""
    found = find_device(device)
    emulated = set() if has_bfloat16(found) else {"bfloat16"}
    if found == "cpu":
        emulated.add("float16")
    return [
        (engine, precision)
        for engine, precisions in PRECISIONS.items()
        for precision in precisions
        if find_spec(engine) and (found == "cpu" or engine == "torch")
        if precision not in emulated
    ]


def measure_speed(
    model: str, *, sides: Iterable[int] = (512, 1024), rounds: int = 3, device: str = "auto"
) -> Iterator[Speed]:
    """Measure each engine, precision and size in a process of its own, one after another.

    There it takes turns with the plain network, so that a machine that is busy slows both.

    Args:
        model: A shipped model's name, or its task.
        sides: Pixels of the pictures across and down.
        rounds: How often each is timed, beside once for warming up.
        device: As for `ccnet.Restorer`.
    """
    for side in sides:
        for engine, precision in combinations(device):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                arguments = (model, engine, precision, side, rounds, device)
                yield process.submit(_measure, *arguments).result()


def _measure(model: str, engine: str, precision: str, side: int, rounds: int, device: str) -> Speed:
    device = find_device(device)
    picture = resize(data.astronaut(), (side, side)).astype(np.float32)[None]
    restore = load_engine(model, engine=engine, device=device, precision=precision).restore
    restore(picture[:, :128, :128])
    before = _peak_memory(device)
    restored = restore(picture)
    taken = _peak_memory(device) - before
    network = load_network(model)
    plain = _plain(network, device)
    expected = plain(picture)
    matrix = torch.rand(MATRIX, MATRIX, device=device, dtype=getattr(torch, precision))
    _ = matrix @ matrix  # the first takes longer
    timed = _least_seconds(
        {
            "engine": lambda: restore(picture),
            "plain": lambda: plain(picture),
            "matrix": lambda: (matrix @ matrix)[0].cpu(),
        },
        rounds,
        time.process_time if device == "cpu" else time.perf_counter,
    )
    work = (count_macs(network) or 0) * (side / SIDE) ** 2
    return Speed(
        engine,
        precision,
        side,
        timed["engine"],
        timed["plain"],
        float(peak_signal_noise_ratio(expected, restored, data_range=1)),
        taken / 1e9,
        work / timed["engine"] / (MATRIX**3 / timed["matrix"]),
    )


def _plain(network: CCNet, device: str) -> Callable[[Floats], Floats]:
    """Run a network as it is trained, in eager float32 and in PyTorch's own forms alone."""
    network = network.to(device)

    def run(picture: Floats) -> Floats:
        batch = torch.from_numpy(picture.transpose(0, 3, 1, 2)).to(device)
        with torch.inference_mode(), mock.patch.object(on_gpu, "depthwise", None):
            restored = network(batch).clamp(0, 1).cpu()
        pictures: Floats = restored.permute(0, 2, 3, 1).numpy()
        return pictures

    return run


def _least_seconds(
    runs: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Time all in turns, and give the least of each."""
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            started = clock()
            run()
            least[name] = min(least[name], clock() - started)
    return least


def _peak_memory(device: str) -> int:
    """Give the most bytes that this process has taken so far, of the GPU's memory on one."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    return peak_memory()
