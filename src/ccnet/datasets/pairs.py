"""A pair on disk: a degraded picture and the clean one that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError
from ccnet.images import Picture, read_picture, to_srgb

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """Where a degraded picture and its target lie.

    Attributes:
        name: Unique among the pairs of its split, a path without suffix: "GOPR0410_11_00/000047".
        degraded: The degraded picture's file.
        target: The clean picture's file, which several pairs may share.
        scene: What pairs that show the same have in common; validation is held apart by it.
        frame: Pixels that the target may have more on each side, and that are then cut off.
    """

    name: str
    degraded: Path
    target: Path
    scene: str
    frame: int = 0


def read_pair(pair: Pair) -> tuple[Tensor, Tensor]:
    """Decode a pair at full size, upright, as 8-bit sRGB on white where it is transparent.

    Returns:
        The degraded picture and its target, uint8 (3, H, W) of the same size. They are views of
        arrays (H, W, 3), so that a crop costs no copy of the whole.

    Raises:
        PictureError: One of the two cannot be decoded, or they differ in size.
    """
    degraded, target = read_pixels(pair.degraded), read_pixels(pair.target)
    if fault := size_fault(pair, _size(degraded), _size(target)):
        raise PictureError(fault)
    if degraded.shape != target.shape:
        target = target[pair.frame : -pair.frame, pair.frame : -pair.frame]
    return _channels_first(degraded), _channels_first(target)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Decode a picture at full size, upright, as 8-bit sRGB on white: (H, W, 3).

    Raises:
        PictureError: It cannot be read, is damaged or cut short; the message names the file.
    """
    picture = read_picture(path)
    if _is_plain(picture):
        pixels: NDArray[np.uint8] = picture.pixels
        return pixels
    levels = to_srgb(picture) * np.float32(255)
    if picture.alpha is not None:
        opacity = picture.alpha / np.float32(np.iinfo(picture.alpha.dtype).max)
        levels = 255 - (255 - levels) * opacity[:, :, None]
    rounded: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return rounded


def size_fault(pair: Pair, degraded: tuple[int, int], target: tuple[int, int]) -> str | None:
    """Tell in one sentence why two sizes, (width, height) each, do not fit; None where they do."""
    more = 2 * pair.frame
    if target in (degraded, (degraded[0] + more, degraded[1] + more)):
        return None
    return (
        f"{pair.degraded} is {degraded[0]} by {degraded[1]} pixels and its target {pair.target} "
        f"{target[0]} by {target[1]}; a pair needs the same size."
    )


def _is_plain(picture: Picture) -> bool:
    plain = picture.space == "rgb" and picture.alpha is None and picture.icc_profile is None
    return plain and picture.pixels.dtype == np.uint8


def _size(pixels: NDArray[Any]) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


def _channels_first(pixels: NDArray[np.uint8]) -> Tensor:
    import torch  # which takes seconds, and those who only list pairs need it not

    return torch.from_numpy(pixels).permute(2, 0, 1)
