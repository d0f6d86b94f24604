"""Measure the forms of a network in eager PyTorch on a CPU; for engines, `ccnet benchmark speed`.

    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/inference.py PICTURE [--model dehaze]
        [--width 40 --modules 4] [--size 512] [--rounds 3]

Plain is the network as it is trained, in float32 with channels last. The others are plain in
bfloat16, and the inference form (`network/inference.py`) with its layer norms folded or not.
With --width the network has random weights. Rounds of all take turns, so that a busy machine slows
down all, and it is the process's own CPU time that is taken, the least of the rounds. Prints it,
its ratio to plain, and the PSNR in dB to what plain gives.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import resize

import ccnet
from ccnet.images import read_picture, to_srgb
from ccnet.network import CCNet
from ccnet.network.inference import for_inference

Floats = NDArray[np.float32]
Run = Callable[[Floats], Floats]
PLAIN = "plain eager float32"


def main() -> None:
    parser = argparse.ArgumentParser(description="Forms of a network.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="dehaze")
    parser.add_argument("--width", type=int)
    parser.add_argument("--modules", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    if options.width:
        network = random_network(options.width, options.modules)
    else:
        network = ccnet.load_network(options.model)
    picture = resize(to_srgb(read_picture(options.picture)), (options.size, options.size))
    batch = np.ascontiguousarray(picture[None], np.float32)
    seconds, outputs = measure(forms(network), batch, options.rounds)
    table = Table("form", "CPU s", "ratio", "PSNR", box=None)
    for name, taken in seconds.items():
        psnr = peak_signal_noise_ratio(outputs[PLAIN], outputs[name], data_range=1)
        agreement = "" if name == PLAIN else f"{psnr:.1f}"
        table.add_row(name, f"{taken:.3f}", f"{seconds[PLAIN] / taken:.2f}", agreement)
    Console(width=100).print(table)


def random_network(width: int, modules: int) -> CCNet:
    """A network whose strips, which start without effect, have one."""
    torch.manual_seed(0)
    network = CCNet(width, modules).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def forms(network: CCNet) -> dict[str, Run]:
    plain = network.eval()
    return {
        PLAIN: by_torch(plain, torch.float32),
        "plain eager bfloat16": by_torch(plain, torch.bfloat16),
        "inference form, float32": by_torch(for_inference(network), torch.float32),
        "its norms folded, float32": by_torch(for_inference(network, fold=True), torch.float32),
    }


def measure(
    ways: dict[str, Run], batch: Floats, rounds: int
) -> tuple[dict[str, float], dict[str, Floats]]:
    """The least CPU seconds that each took in any of the rounds, and what it gave."""
    outputs = {name: run(batch) for name, run in ways.items()}
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.process_time()
            run(batch)
            least[name] = min(least[name], time.process_time() - start)
    return least, outputs


def by_torch(network: CCNet, dtype: torch.dtype) -> Run:
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    half = dtype != torch.float32

    def run(batch: Floats) -> Floats:
        pictures = torch.from_numpy(batch).permute(0, 3, 1, 2)  # channels last, then
        with torch.inference_mode(), torch.autocast("cpu", dtype if half else None, enabled=half):
            restored = network(pictures).float().clamp(0, 1)
        in_pictures: Floats = restored.permute(0, 2, 3, 1).numpy()
        return in_pictures

    return run


if __name__ == "__main__":
    main()
