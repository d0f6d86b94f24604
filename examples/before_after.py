"""Make the README's pictures: degraded scenes above, the same restored below.

    python examples/before_after.py

The veil over the coast is its own; all else is put into the scenes first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import ccnet
from ccnet.degradation import DEGRADATIONS
from ccnet.images import Picture, read_picture, to_srgb, write_picture

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
SHEETS: dict[tuple[str, str], dict[str, tuple[float, int] | None]] = {
    ("haze", "dehaze"): {"coast": None, "bay": (0.7, 2), "orchard": (0.6, 3)},
    ("snow", "desnow"): {"coast": (0.7, 1), "bay": (0.9, 2), "orchard": (0.8, 3)},
}
"""For each kind and its task, the strength and the seed of what is put into each picture."""

HEIGHT, WIDTH, GAP = 420, 512, 8


def main() -> None:
    for (kind, task), scenes in SHEETS.items():
        restorer = ccnet.Restorer(task)
        columns = []
        for name, how in scenes.items():
            picture = to_srgb(read_picture(ROOT / "examples" / "pictures" / f"{name}.jpg"))
            degraded = picture if how is None else degrade(picture, kind, *how)
            gap = np.ones((GAP, WIDTH, 3), np.float32)
            columns += [np.concatenate((middle(degraded), gap, middle(restorer(degraded))))]
            columns += [np.ones((2 * HEIGHT + GAP, GAP, 3), np.float32)]
        sheet = np.concatenate(columns[:-1], 1)
        pixels = (sheet * 255).round().astype(np.uint8)
        target = PICTURES / f"{kind}-before-after.jpg"
        write_picture(Picture(pixels), target, quality=90, overwrite=True)
        print(target)


def degrade(
    picture: NDArray[np.float32], kind: str, strength: float, seed: int
) -> NDArray[np.float32]:
    """Put haze or snow into (H, W, 3) in [0, 1]."""
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    degraded = DEGRADATIONS[kind](batch, torch.Generator().manual_seed(seed), strength)
    return np.ascontiguousarray(degraded[0].permute(1, 2, 0).numpy())


def middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut (H, W, 3) to the middle HEIGHT x WIDTH pixels."""
    top, left = (picture.shape[0] - HEIGHT) // 2, (picture.shape[1] - WIDTH) // 2
    return picture[top : top + HEIGHT, left : left + WIDTH]


if __name__ == "__main__":
    main()
