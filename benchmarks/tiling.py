"""Measure tiles against the whole picture, for several ways of getting the whole-picture averages.

    python benchmarks/tiling.py PICTURE... [--model dehaze] [--tile 512] [--pixels 1000000]
        [--engine torch] [--precision float32]

Each picture is cut to the middle `--pixels`, restored whole, and restored in tiles with averages

- measured: as `ccnet restore` does, from a sample of tiles and then over all tiles;
- sample: of tiles at native size, taken as one picture;
- reduced: of the picture made as small as one tile;
- unpinned: of each tile by itself.

Prints the PSNR in dB between the two, and the largest difference of one pixel in levels of 255:
what a seam would be. Then the peak memory of the process so far in GiB, which the whole picture
decides; `--only-tiles` leaves it out, to see what tiles need.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio

import ccnet
from ccnet.images import read_picture, to_srgb
from ccnet.machine import peak_memory
from ccnet.network import CCNet, SharedAverages
from ccnet.restoration.engines import Averages
from ccnet.restoration.grid import sample_corners
from ccnet.restoration.loading import load_engine
from ccnet.restoration.tiling import blend_bands, restore_bands

Pixels = NDArray[np.float32]
SAMPLE_SIDE = 192


def main() -> None:
    parser = argparse.ArgumentParser(description="Tiles against whole pictures.")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--model", default="dehaze")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--pixels", type=int, default=1_000_000)
    parser.add_argument("--only-tiles", action="store_true")
    options = parser.parse_args()

    network = ccnet.load_network(options.model)
    engine = load_engine(
        options.model, engine=options.engine, device="cpu", precision=options.precision
    )
    table = Table("picture", "measured", "sample", "reduced", "unpinned", box=None)
    for path in options.pictures:
        picture = middle(to_srgb(read_picture(path)), options.pixels)
        measured = joined(restore_bands(picture, engine, options.tile))
        if not options.only_tiles:
            ways = (
                sampled(network, picture, options.tile),
                reduced(network, picture, options.tile),
                None,
            )
            results = [
                joined(blend_bands(picture, engine, options.tile, averages)) for averages in ways
            ]
            whole = engine.restore(picture[None])[0]
            table.add_row(path.name, *(told(whole, tiled) for tiled in (measured, *results)))
    Console(width=110).print(table)
    print(f"peak memory {peak_memory() / 2**30:.2f} GiB")


def joined(bands: Iterable[tuple[slice, Pixels]]) -> Pixels:
    return np.concatenate([band for _, band in bands])


def middle(picture: Pixels, pixels: int) -> Pixels:
    """Cut (H, W, 3) to at most `pixels`, of the same shape."""
    height, width, _ = picture.shape
    share = min(1.0, math.sqrt(pixels / (height * width)))
    rows, columns = int(height * share), int(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    return np.ascontiguousarray(picture[top : top + rows, left : left + columns])


def sampled(network: CCNet, picture: Pixels, tile: int) -> Averages:
    """Averages of as many small tiles as have the pixels of one large one."""
    count = max(1, (tile // SAMPLE_SIDE) ** 2)
    height, width, _ = picture.shape
    corners = sample_corners(height, width, SAMPLE_SIDE, count)
    tiles = [picture[y : y + SAMPLE_SIDE, x : x + SAMPLE_SIDE] for y, x in corners]
    return averages_of(network, torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2))


def reduced(network: CCNet, picture: Pixels, tile: int) -> Averages:
    """Averages of the picture reduced to the pixels of one tile."""
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    scale = min(1.0, tile / math.sqrt(picture.shape[0] * picture.shape[1]))
    return averages_of(network, F.interpolate(batch, scale_factor=scale, mode="area"))


def averages_of(network: CCNet, batch: torch.Tensor) -> Averages:
    shared = SharedAverages()
    with torch.inference_mode():
        network(batch, shared)
    return torch.cat(shared.values, 1).flatten().numpy()


def told(whole: Pixels, tiled: Pixels) -> str:
    psnr = peak_signal_noise_ratio(whole, tiled, data_range=1)
    return f"{psnr:.1f} dB, {255 * np.abs(whole - tiled).max():.1f}"


if __name__ == "__main__":
    main()
