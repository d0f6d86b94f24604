"""Measure a model on pairs of hazy and clear pictures, beside the input and the dark channel prior.

    python benchmarks/quality.py HAZY_FOLDER CLEAR_FOLDER [--model dehaze] [--save FOLDER]

Pairs are files of the same stem. Prints PSNR (dB) and SSIM of scikit-image on full-size 8-bit RGB;
"clear" is the clear picture put through the model, which should leave it as it is. SSIM is left
out where a side is under 7 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dark_channel
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import ccnet
from ccnet.images import Picture, read_picture, to_srgb, write_picture

Pixels = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description="PSNR and SSIM of a dehazing model on pairs.")
    parser.add_argument("hazy", type=Path)
    parser.add_argument("clear", type=Path)
    parser.add_argument("--model", default="dehaze", help="a name or a file of weights")
    parser.add_argument("--save", type=Path, help="write hazy | restored | clear PNGs there")
    options = parser.parse_args()

    restorer = ccnet.Restorer(options.model)
    targets = {path.stem: path for path in options.clear.iterdir()}
    table = Table("picture", "input", "dark channel", "model", "clear", box=None)
    rows = []
    for path in sorted(options.hazy.iterdir()):
        hazy, clear = (to_srgb(read_picture(p)) for p in (path, targets[path.stem]))
        if hazy.shape != clear.shape:
            raise SystemExit(f"{path} and {targets[path.stem]} differ in size.")
        restored = restorer(hazy)
        pictures = (hazy, dark_channel.remove_haze(hazy), restored, restorer(clear))
        row = np.array([scores(picture, clear) for picture in pictures])
        rows.append(row)
        table.add_row(path.stem, *(f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in row))
        if options.save:
            save(np.concatenate((hazy, restored, clear), 1), options.save / f"{path.stem}.png")
    mean = np.mean(rows, axis=0)
    table.add_section()
    table.add_row(f"mean of {len(rows)}", *(f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in mean))
    Console(width=110).print(table)


def scores(picture: Pixels, target: Pixels) -> tuple[float, float]:
    """PSNR in dB, at most 60, and SSIM of two pictures (H, W, 3), as 8-bit files hold them."""
    first, second = eight_bit(picture), eight_bit(target)
    if np.array_equal(first, second):
        return 60.0, 1.0
    psnr = peak_signal_noise_ratio(second, first)
    small = min(first.shape[:2]) < 7
    ssim = np.nan if small else structural_similarity(second, first, channel_axis=2)
    return min(psnr, 60.0), ssim


def eight_bit(picture: Pixels) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels


def save(picture: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(eight_bit(picture)), path, overwrite=True)


if __name__ == "__main__":
    main()
