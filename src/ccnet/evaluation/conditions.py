"""What the quality report puts into photographs: the same in every run, whatever else is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ccnet.datasets.photographs import read_photograph
from ccnet.degradation import DEGRADATIONS
from ccnet.degradation.blur import MARGIN, cut_margin
from ccnet.errors import PictureError
from ccnet.evaluation.metrics import quantise

LEVELS = ("light", "medium", "heavy")

SMALLEST_SIZE = 64
"""Pixels that photographs' long sides can be reduced to at the least."""

LEAST = 16
"""Pixels that a photograph must have across and down once it is reduced."""


@dataclass(frozen=True)
class Kind:
    """A kind of degradation.

    Attributes:
        task: What undoes it.
        strengths: Of each of `LEVELS`, as the degradation takes them: spread over what networks
            train on, as it looks, so that even the heaviest leaves a picture to be restored.
        baselines: What undoes it without learning, as `open_candidates` takes it.
    """

    task: str
    strengths: tuple[float, float, float]
    baselines: tuple[str, ...]


KINDS = {
    "haze": Kind("dehaze", (0.25, 0.5, 0.8), ("dark-channel",)),
    "blur": Kind("deblur", (0.1, 0.25, 0.6), ("unsharp", "wiener")),
    "snow": Kind("desnow", (0.3, 0.6, 1.0), ("median",)),
}


def read_framed(path: Path, size: int) -> Tensor:
    """Read a photograph with a frame of `MARGIN` pixels around: (3, H, W) in [0, 1].

    Without its frame, which `cut_margin` cuts off, its long side is at most `size`. Raises
    `PictureError` where it cannot be decoded, or is then smaller than `LEAST` across or down.
    """
    pixels = read_photograph(path, size + 2 * MARGIN)
    height, width = pixels.shape[1:]
    needed = LEAST + 2 * MARGIN
    if min(height, width) < needed:
        raise PictureError(
            f"{path} is {width} by {height} pixels when its long side is at most "
            f"{size + 2 * MARGIN}; {needed} by {needed} are needed."
        )
    return pixels.float() / 255


def degraded(framed: Tensor, photograph: str, kind: str, strength: float) -> Tensor:
    """Degrade (3, H, W) with its frame, cut that off, and round to 8 bits as a file has.

    The frame is there for blur, which takes light from beyond the border. Random numbers hang on
    the photograph's name, the kind and the strength alone, and are drawn on the CPU, so that they
    are the same on every machine, up to the rounding of floating-point numbers.
    """
    named = f"{photograph}\n{kind}\n{strength}".encode("utf-8", "surrogateescape")
    seed = int.from_bytes(hashlib.sha256(named).digest()[:8], "big") >> 1
    generator = torch.Generator().manual_seed(seed)
    made = DEGRADATIONS[kind](framed[None], generator, strength)[0]
    return quantise(cut_margin(made))
