"""Train every row of the ablation and print the table of docs/ablation.md.

    python benchmarks/ablation.py PHOTOS [--seeds 2] [--output runs/ablation] [--threads 1]

PHOTOS is a folder of clean photographs with VAL.txt. A row is a shipped recipe `ablation*`; all see
the same crops under the same haze for the same steps. A run that is there already is only measured.
About six minutes of one core each.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ccnet.evaluation.cost import count_macs, count_parameters
from ccnet.training.data import ValidationPairs, find_pictures
from ccnet.training.module import psnr
from ccnet.training.recipe_files import load_recipe, shipped_recipes
from ccnet.training.run import train_recipe
from ccnet.weights import load_network

CPU_SECONDS = "cpu-seconds.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's ablation, on made haze.")
    parser.add_argument("photos")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    names = [name for name in shipped_recipes() if name.startswith("ablation")]
    for seed in range(options.seeds):
        for name in names:
            train(name, options.photos, options.output / f"{name}-{seed}", seed)

    recipe = load_recipe("ablation", [f"photos={options.photos}"])
    pairs = find_pictures(recipe).validation_pairs(recipe)
    table = Table("recipe", "parameters", "GMACs", "CPU s", *("PSNR", "clean") * options.seeds)
    for name in names:
        folders = [options.output / f"{name}-{seed}" for seed in range(options.seeds)]
        network = load_network(folders[0] / "weights.safetensors")
        seconds = sum(float((folder / CPU_SECONDS).read_text()) for folder in folders)
        scores = [score for folder in folders for score in measure(folder, pairs)]
        table.add_row(
            name,
            f"{count_parameters(network):,}",
            f"{(count_macs(network) or 0) / 1e9:.2f}",
            f"{seconds / len(folders):.0f}",
            *(f"{score:.2f}" for score in scores),
        )
    Console(width=140).print(table)


def train(name: str, photos: str, output: Path, seed: int) -> None:
    """Train a row, unless it was trained before; one left half done has to be removed."""
    if (output / CPU_SECONDS).exists():
        return
    recipe = load_recipe(name, [f"photos={photos}", f"output={output}", f"seed={seed}"])
    started = time.process_time()
    train_recipe(recipe)
    (output / CPU_SECONDS).write_text(f"{time.process_time() - started}\n")


def measure(folder: Path, pairs: ValidationPairs) -> tuple[float, float]:
    """Mean PSNR of restored pictures, and of clean ones put through."""
    network = load_network(folder / "weights.safetensors")
    scores = []
    with torch.inference_mode():
        for index in range(len(pairs)):  # type: ignore[arg-type]
            degraded, clean = (side[None] for side in pairs[index])
            scores.append(torch.cat([psnr(network(side), clean) for side in (degraded, clean)]))
    restored, kept = torch.stack(scores).mean(0).tolist()
    return restored, kept


if __name__ == "__main__":
    main()
