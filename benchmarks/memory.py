"""Measure what memory each engine takes for a pixel.

    OMP_NUM_THREADS=1 python benchmarks/memory.py [--sides 1024] [--widths 16 40]

For each engine, precision, width and side a process of its own makes an engine of random weights,
restores a small picture, notes its peak memory, restores one square picture twice and notes it
again: what it took more, for each pixel of that one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ccnet.evaluation.speed import combinations
from ccnet.machine import peak_memory
from ccnet.restoration.engines import Engine
from ccnet.restoration.loading import load_engine


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory per pixel.")
    parser.add_argument("--sides", type=int, nargs="+", default=[1024])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 40])
    parser.add_argument("--one", nargs=4, metavar=("MODEL", "ENGINE", "PRECISION", "SIDE"))
    options = parser.parse_args()
    if options.one:
        model, engine, precision, side = options.one
        print(
            bytes_per_pixel(
                load_engine(model, engine=engine, device="cpu", precision=precision), int(side)
            )
        )
        return
    table = Table("engine", "precision", "width", "side", "bytes per pixel", box=None)
    with tempfile.TemporaryDirectory() as folder:
        for width in options.widths:
            models = write_models(Path(folder), width)
            for (engine, precision), side in product(combinations("cpu"), options.sides):
                taken = in_process([models[engine != "torch"], engine, precision, side])
                table.add_row(engine, precision, str(width), str(side), f"{taken:.0f}")
    Console(width=100).print(table)


def write_models(folder: Path, width: int) -> tuple[Path, Path]:
    """Write a network of random weights as .safetensors and ONNX."""
    from ccnet.export import export_model
    from ccnet.network import CCNet
    from ccnet.weights.files import save_model

    network = CCNet(width, 4)
    weights = folder / f"{width}.safetensors"
    save_model(network, weights, {})
    export_model(network, weights.with_suffix(".onnx"), "onnx", averages=True)
    return weights, weights.with_suffix(".onnx")


def in_process(arguments: list[object]) -> float:
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def bytes_per_pixel(engine: Engine, side: int) -> float:
    generator = np.random.default_rng(0)
    engine.restore(generator.random((1, 128, 128, 3), dtype=np.float32))
    picture = generator.random((1, side, side, 3), dtype=np.float32)
    before = peak_memory()
    engine.restore(picture)
    engine.restore(picture)  # with what engines keep between runs
    return (peak_memory() - before) / side**2


if __name__ == "__main__":
    main()
