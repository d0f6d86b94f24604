"""Lay out what a degradation makes of pictures: a contact sheet to judge its likeness by.

    python examples/degradations.py haze|blur|snow PICTURE... [--output sheet.png] [--seed 0]

A row for each picture: as it is, at strengths 0.2, 0.5 and 0.8, and twice as training draws them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyvips
import torch
from torch import Tensor

from ccnet.degradation import DEGRADATIONS, Degradation
from ccnet.images import Picture, write_picture

STRENGTHS = (0.2, 0.5, 0.8, None, None)


def main() -> None:
    parser = argparse.ArgumentParser(description="A contact sheet of made degradations.")
    parser.add_argument("kind", choices=DEGRADATIONS)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256, help="pixels across and down of each")
    parser.add_argument("--output", type=Path, default=Path("sheet.png"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(options.seed)
    degrade = DEGRADATIONS[options.kind]
    rows = [row(read(path, options.side), degrade, generator) for path in options.pictures]
    sheet = torch.cat(rows, 1).permute(1, 2, 0)
    pixels = (sheet * 255).round().to(torch.uint8).numpy()
    write_picture(Picture(np.ascontiguousarray(pixels)), options.output, overwrite=True)
    print(options.output)


def read(path: Path, side: int) -> Tensor:
    """The middle of a picture, (3, side, side) in [0, 1]."""
    image = pyvips.Image.thumbnail(str(path), side, height=side, crop="centre").colourspace("srgb")
    pixels = torch.from_numpy(image[:3].numpy().copy())
    return pixels.permute(2, 0, 1).float() / 255


def row(clean: Tensor, degrade: Degradation, generator: torch.Generator) -> Tensor:
    """A picture and what becomes of it, side by side."""
    degraded = [degrade(clean[None], generator, strength)[0] for strength in STRENGTHS]
    return torch.cat((clean, *degraded), 2)


if __name__ == "__main__":
    main()
