"""Make the README's picture: three hazy scenes above, the same restored below.

    python examples/before_after.py

The veil over the coast is its own; into the two other scenes haze is put first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import ccnet
from ccnet.degradation.haze import add_haze
from ccnet.images import Picture, read_picture, to_srgb, write_picture

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "pictures" / "haze-before-after.jpg"
SCENES = {"coast": None, "bay": (0.7, 2), "orchard": (0.6, 3)}
"""For each picture the strength and the seed of the haze to put into it."""

HEIGHT, WIDTH, GAP = 420, 512, 8


def main() -> None:
    restorer = ccnet.Restorer("dehaze")
    columns = []
    for name, haze in SCENES.items():
        picture = to_srgb(read_picture(ROOT / "examples" / "pictures" / f"{name}.jpg"))
        hazy = picture if haze is None else with_haze(picture, *haze)
        gap = np.ones((GAP, WIDTH, 3), np.float32)
        columns += [np.concatenate((middle(hazy), gap, middle(restorer(hazy))))]
        columns += [np.ones((2 * HEIGHT + GAP, GAP, 3), np.float32)]
    sheet = np.concatenate(columns[:-1], 1)
    pixels = (sheet * 255).round().astype(np.uint8)
    write_picture(Picture(pixels), TARGET, quality=90, overwrite=True)
    print(TARGET)


def with_haze(picture: NDArray[np.float32], strength: float, seed: int) -> NDArray[np.float32]:
    """Put haze into (H, W, 3) in [0, 1]."""
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    hazy = add_haze(batch, torch.Generator().manual_seed(seed), strength)
    return np.ascontiguousarray(hazy[0].permute(1, 2, 0).numpy())


def middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut (H, W, 3) to the middle HEIGHT x WIDTH pixels."""
    top, left = (picture.shape[0] - HEIGHT) // 2, (picture.shape[1] - WIDTH) // 2
    return picture[top : top + HEIGHT, left : left + WIDTH]


if __name__ == "__main__":
    main()
