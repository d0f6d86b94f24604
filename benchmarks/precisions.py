"""Measure how far bfloat16 is from float32, with every engine that has it.

    OMP_NUM_THREADS=1 python benchmarks/precisions.py PICTURE... [--models dehaze deblur desnow]
        [--pixels 500000]

Each picture is reduced to at most `--pixels` and restored whole by every model. Prints the PSNR in
dB to what OpenVINO restores in float32: the mean over the pictures, and the least.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import resize

from ccnet.images import read_picture, to_srgb
from ccnet.restoration.engines.engine import Floats
from ccnet.restoration.loading import load_engine

ENGINES = ("openvino", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description="bfloat16 against float32.")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--models", nargs="+", default=["dehaze", "deblur", "desnow"])
    parser.add_argument("--pixels", type=int, default=500_000)
    options = parser.parse_args()
    pictures = [reduced(path, options.pixels) for path in options.pictures]
    table = Table("model", "engine", "mean", "least", box=None)
    for model in options.models:
        exact = load_engine(model, engine="openvino", device="cpu", precision="float32")
        expected = [exact.restore(picture) for picture in pictures]
        for name in ENGINES:
            engine = load_engine(model, engine=name, device="cpu", precision="bfloat16")
            agreements = [
                peak_signal_noise_ratio(wanted, engine.restore(picture), data_range=1)
                for picture, wanted in zip(pictures, expected, strict=True)
            ]
            table.add_row(model, name, f"{np.mean(agreements):.1f}", f"{min(agreements):.1f}")
    Console(width=100).print(table)


def reduced(path: Path, pixels: int) -> Floats:
    """Read a picture as a batch of one, (1, H, W, 3)."""
    picture = to_srgb(read_picture(path))
    height, width, _ = picture.shape
    share = min(1.0, math.sqrt(pixels / (height * width)))
    sides = (round(height * share), round(width * share))
    return np.ascontiguousarray(resize(picture, sides, anti_aliasing=True)[None], np.float32)


if __name__ == "__main__":
    main()
