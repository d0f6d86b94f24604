"""Measure training throughput: pictures per second, against a plain loop of the same network.

    python benchmarks/training.py [--width 16 --modules 2 --crop 128 --batch 8 --steps 5 --rounds 3]

The plain loop is eager float32, with the strips filtered by grouped convolutions, on pairs that are
there already: what one would write first. Ours is one step of `ccnet train` (`RestorationModule`,
haze made on the way, clipping and the moving average included) in each precision, and compiled with
--compile. Rounds of both take turns, so that a busy machine slows down both; on a CPU it is the
process's own CPU time that is taken, on a GPU the wall time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from ccnet.datasets.batches import Batch
from ccnet.degradation.haze import add_haze
from ccnet.network import CCNet
from ccnet.network.integration import DynamicStrip
from ccnet.training.average import update_average
from ccnet.training.loss import restoration_loss
from ccnet.training.module import RestorationModule

CLIP = 0.01
Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput, as a ratio.")
    for name, default in (("width", 16), ("modules", 2), ("crop", 128), ("batch", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--steps", type=int, default=5, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    options = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clean = torch.rand(options.batch, 3, options.crop, options.crop, device=device)
    size = (options.width, options.modules)
    ways = {
        "plain eager float32": plain_step(CCNet(*size), clean),
        "ours, 32-true": our_step(CCNet(*size), clean, torch.float32, compiled=False),
        "ours, bf16-mixed": our_step(CCNet(*size), clean, torch.bfloat16, compiled=False),
    }
    if options.compile:
        compiled = our_step(CCNet(*size), clean, torch.bfloat16, compiled=True)
        ways["ours, bf16-mixed, compiled"] = compiled
    seconds = measure(ways, options.steps, options.rounds)
    table = Table("step", "pictures/s", "ratio", box=None)
    for name, taken in seconds.items():
        rate = options.batch * options.steps / taken
        table.add_row(name, f"{rate:.2f}", f"{seconds['plain eager float32'] / taken:.2f}")
    Console(width=100).print(table)


def measure(ways: dict[str, Step], steps: int, rounds: int) -> dict[str, float]:
    """The least seconds that `steps` took in any of the rounds."""
    for step in ways.values():
        step()
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, step in ways.items():
            start = now()
            for _ in range(steps):
                step()
            least[name] = min(least[name], now() - start)
    return least


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def plain_step(network: CCNet, clean: Tensor) -> Step:
    network = network.to(clean.device).train()
    for module in network.modules():
        if isinstance(module, DynamicStrip):
            module.eval()  # the form with grouped convolutions
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    degraded = clean * 0.5 + 0.4

    def step() -> None:
        optimizer.zero_grad()
        loss = restoration_loss(network.forward_pyramid(degraded), clean).total
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()

    return step


def our_step(network: CCNet, clean: Tensor, kind: torch.dtype, *, compiled: bool) -> Step:
    module = RestorationModule(
        network.train(), add_haze, names=lambda _: [], steps=1000, compile_network=compiled
    ).to(clean.device)
    optimizer = torch.optim.Adam(module.network.parameters(), lr=1e-4)
    half = kind != torch.float32
    parts = iter(range(10**9))

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(clean.device.type, kind, enabled=half):
            loss = module.training_step(Batch(next(parts), clean, None), 0)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.network.parameters(), CLIP)
        optimizer.step()
        update_average(module.average, module.network, 0.999)

    return step


if __name__ == "__main__":
    main()
