"""Clean photographs held in memory, and crops of them made where they are held.

Decoding a JPEG anew for every crop would cost more than a training step of a small network, so
each photograph is read once, reduced, and kept as bytes: about 1 MB each at 704 pixels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyvips
import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.datasets.naming import is_picture_name
from ccnet.errors import PictureError, UsageError, reason_of
from ccnet.machine import processors

VALIDATION_LIST = "VAL.txt"


def list_photographs(folder: Path) -> list[Path]:
    """List the pictures of `folder`, sorted by name; raises `UsageError` where it is none.

    Hidden files are left out, such as the ._0.jpg that macOS puts beside a 0.jpg.
    """
    try:
        return sorted(path for path in folder.iterdir() if _is_photograph(path))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise UsageError(
            f"photos={folder} is not a folder that can be read; name one that holds photographs."
        ) from error


def _is_photograph(path: Path) -> bool:
    if path.name.startswith(".") or not is_picture_name(path.name):
        return False
    # A link that leads nowhere is told when it is read.
    return path.is_file() or not path.exists()


def split_photographs(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the pictures of `folder` for training and for validation, each sorted by name.

    Validation are the file names in its VAL.txt (UTF-8), one a line; all others are for training.
    Raises `UsageError` where the folder or VAL.txt is missing or cannot be read, and where VAL.txt
    names a picture that is not there.
    """
    paths = list_photographs(folder)
    names = _held_out_names(folder, paths)
    training = [path for path in paths if path.name not in names]
    validation = [path for path in paths if path.name in names]
    if not training or not validation:
        kind = "validation" if training else "training"
        raise UsageError(f"{folder} holds no photograph for {kind}; add some or change VAL.txt.")
    return training, validation


def photographs_to_measure(folder: Path) -> list[Path]:
    """List the pictures of `folder` that its VAL.txt names, or all where it has none.

    Raises `UsageError` as `split_photographs` does, and where there is no picture.
    """
    paths = list_photographs(folder)
    if os.path.lexists(folder / VALIDATION_LIST):
        names = _held_out_names(folder, paths)
        paths = [path for path in paths if path.name in names]
    if not paths:
        raise UsageError(f"{folder} holds no photograph to measure on.")
    return paths


def _held_out_names(folder: Path, paths: Sequence[Path]) -> set[str]:
    held_out = folder / VALIDATION_LIST
    try:
        lines = held_out.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError):
            problem = "is missing"
        elif isinstance(error, UnicodeDecodeError):
            problem = "cannot be read as UTF-8"
        else:
            problem = f"cannot be read: {reason_of(error)}"
        raise UsageError(
            f"{held_out} {problem}; list in it, one a line, the photographs to validate on."
        ) from error
    names = {name for line in lines if (name := line.strip())}
    if absent := names - {path.name for path in paths}:
        raise UsageError(f"{held_out} names {min(absent)}, which is not in {folder}.")
    return names


def read_photograph(path: Path, long_side: int) -> Tensor:
    """Decode a picture upright as sRGB, its long side at most `long_side`: uint8 (3, H, W)."""
    try:
        picture = pyvips.Image.thumbnail_source(
            pyvips.Source.new_from_file(os.fsencode(path)),  # a name need not be UTF-8
            long_side,
            height=long_side,
            size="down",
            output_profile="srgb",
            option_string="[fail_on=truncated]",  # as an argument it is not heeded for a source
        )
        if picture.hasalpha():
            picture = picture.flatten(background=255)
        pixels = picture.colourspace("srgb").cast("uchar").numpy()
    # pyvips cannot tell of a name that is not UTF-8.
    except (pyvips.Error, UnicodeDecodeError) as error:
        raise PictureError(f"{path} cannot be decoded; remove or replace it.") from error
    if pixels.shape[2] != 3:
        raise PictureError(f"{path} has channels besides colour and alpha; remove or replace it.")
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()


class Window(NamedTuple):
    """A square of a photograph: which one, from where, how large, and whether it is mirrored."""

    picture: int
    top: int
    left: int
    side: int
    mirrored: bool


class Photographs:
    """Photographs in memory on one device, as uint8 tensors (3, H, W) of any sizes."""

    def __init__(self, pictures: Sequence[Tensor], names: Sequence[str]) -> None:
        self.pictures = list(pictures)
        self.names = list(names)

    @classmethod
    def read(
        cls, paths: Sequence[Path], *, long_side: int, device: torch.device | str = "cpu"
    ) -> Photographs:
        """Decode `paths`, reduce them to `long_side` pixels, and put them on `device`.

        Raises `PictureError` that names all of those that cannot be decoded.
        """

        def read(path: Path) -> Tensor | None:
            try:
                return read_photograph(path, long_side)
            except PictureError:
                return None

        # libvips decodes outside of Python's lock.
        with ThreadPoolExecutor(processors()) as threads:
            pictures = list(threads.map(read, paths))
        decoded = [picture.to(device) for picture in pictures if picture is not None]
        if len(decoded) < len(paths):
            broken = [
                path.name for path, picture in zip(paths, pictures, strict=True) if picture is None
            ]
            raise PictureError(
                f"{paths[0].parent} holds pictures that cannot be decoded; remove or replace "
                f"{', '.join(broken)}."
            )
        return cls(decoded, [path.name for path in paths])

    def __len__(self) -> int:
        return len(self.pictures)

    def random_windows(self, count: int, smallest: int, generator: torch.Generator) -> list[Window]:
        """Draw `count` windows, each of a photograph drawn uniformly.

        A window's side is log-uniform between `smallest` pixels and the whole short side (that is
        all of it in a photograph smaller than that), and half of the windows are mirrored.
        """
        draws = torch.rand(count, 5, generator=generator).tolist()
        return [self._window(smallest, *draw) for draw in draws]

    def _window(
        self, smallest: int, which: float, scale: float, down: float, right: float, mirror: float
    ) -> Window:
        picture = int(which * len(self.pictures))
        height, width = self.pictures[picture].shape[1:]
        short = min(height, width)
        smallest = min(smallest, short)
        side = round(smallest * math.exp(scale * math.log(short / smallest)))
        top = int(down * (height - side + 1))
        left = int(right * (width - side + 1))
        return Window(picture, top, left, side, mirror < 0.5)

    def crop(self, windows: Sequence[Window], crop: int) -> Tensor:
        """Cut out windows and reduce or enlarge them: float32 (N, 3, crop, crop) in [0, 1]."""
        crops = []
        for picture, top, left, side, mirrored in windows:
            window = self.pictures[picture][:, top : top + side, left : left + side]
            crops.append(_resize(window.flip(2) if mirrored else window, crop))
        return torch.stack(crops)

    def centre_crops(self, crop: int) -> Tensor:
        """Reduce each photograph's largest centred square: float32 (len, 3, crop, crop).

        One smaller than `crop` is enlarged.
        """
        crops = []
        for picture in self.pictures:
            height, width = picture.shape[1:]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            crops.append(_resize(picture[:, top : top + side, left : left + side], crop))
        return torch.stack(crops)


def _resize(window: Tensor, side: int) -> Tensor:
    """Reduce or enlarge a square window to `side` pixels.

    By cubic splines: what bilinear weights leave of fine detail is half of what videos reduced for
    benchmarks have (REDS), and a network takes a little blur for what should stay.
    """
    pixels = window[None].float() / 255
    return F.interpolate(
        pixels, size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )[0].clamp(0, 1)
