"""What the recogniser sees of a picture of any size: all of it reduced, and eight details."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ccnet.images import Picture, to_srgb

OVERVIEW = 192
"""Pixels across and down of the whole picture, reduced or enlarged, its proportions given up."""

DETAIL = 128
"""Pixels across and down of a detail."""

GRID = (2, 4)
"""Details along the short and along the long side."""

LARGEST = 1_200_000
"""Pixels of the picture that details are cut from. Larger pictures are reduced to so many: seen
pixel by pixel, a photograph of 24 megapixels is soft, and blur that spoils it is too long for a
detail."""

SAMPLED = 512
"""Rows and columns of a large picture, or of a large detail, that are looked at, at least."""

Pixels: TypeAlias = NDArray[np.float32]

Cut: TypeAlias = Callable[[slice, slice], Pixels]
"""Gives rows and columns of a picture as (H, W, 3) in [0, 1]."""


class Views(NamedTuple):
    """`overview` (3, 192, 192) and `details` (8, 3, 128, 128), float32 in [0, 1]."""

    overview: Tensor
    details: Tensor


def views_of_picture(picture: Picture) -> Views:
    """Look at a decoded file in sRGB; its alpha does not count."""

    def cut(rows: slice, columns: slice) -> Pixels:
        return to_srgb(replace(picture, pixels=picture.pixels[rows, columns], alpha=None))

    height, width = picture.pixels.shape[:2]
    return views_of(cut, height, width)


def picture_of(pixels: Tensor) -> Picture:
    """Round (3, H, W) in [0, 1] to a picture of 8 bits, as a file would hold it."""
    return Picture((pixels * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def views_of(cut: Cut, height: int, width: int) -> Views:
    """Look at a picture of `height` x `width` pixels; the work is bounded whatever its size."""
    side = round(DETAIL * max(1.0, math.sqrt(height * width / LARGEST)))
    down, across = GRID if height <= width else GRID[::-1]
    step = max(1, side // SAMPLED)
    details = [
        resize(filled(cut(rows, columns), -(-side // step)), DETAIL)
        for rows in spread_windows(height, side, down, step)
        for columns in spread_windows(width, side, across, step)
    ]
    every_row = slice(0, height, max(1, height // SAMPLED))
    every_column = slice(0, width, max(1, width // SAMPLED))
    return Views(resize(cut(every_row, every_column), OVERVIEW), torch.stack(details))


def spread_windows(length: int, side: int, count: int, step: int = 1) -> list[slice]:
    """Spread `count` windows of `side` pixels, or all that there are, evenly over a length.

    Each takes every `step`-th pixel.
    """
    side = min(side, length)
    middles = ((index + 0.5) / count * length for index in range(count))
    starts = (min(max(round(middle - side / 2), 0), length - side) for middle in middles)
    return [slice(start, start + side, step) for start in starts]


def filled(pixels: Pixels, side: int) -> Pixels:
    """Mirror what is smaller than a square of `side` pixels, as often as it takes."""
    height, width, _ = pixels.shape
    return np.pad(pixels, ((0, side - height), (0, side - width), (0, 0)), "symmetric")


def resize(pixels: Pixels, side: int) -> Tensor:
    """Reduce or enlarge (H, W, 3) in [0, 1] to (3, side, side)."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    if batch.shape[2:] == (side, side):
        return batch[0]
    size = (side, side)
    return F.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True)[
        0
    ].clamp(0, 1)
