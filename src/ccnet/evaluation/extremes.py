"""The worst and the best pictures of an evaluation on one sheet, to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TypeAlias

import numpy as np
import pyvips
from numpy.typing import NDArray

from ccnet.images import Picture, encode_picture

EACH = 3
"""How many of the worst, and of the best, are shown."""

COLUMNS = ("input", "restored", "target")
WIDTH = 320
"""Pixels across and down that a picture is reduced to; a smaller one is not enlarged."""

_GAP = 8
_LINE = 24  # the height of a line of text
_LONGEST = 300  # characters; more than fit into a line, and fewer than cannot be drawn at all

Pixels: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """A picture (input, restored, target) kept small, each a pyvips image of 8-bit sRGB."""

    name: str
    psnr: float
    images: tuple[pyvips.Image, ...]


class Extremes:
    """Keeps the worst and the best of the pictures offered, reduced, and no others."""

    def __init__(self) -> None:
        self._worst: list[Shown] = []
        self._best: list[Shown] = []

    def offer(self, name: str, psnr: float, pictures: tuple[Pixels, Pixels, Pixels]) -> None:
        """Offer input, restored and target, (H, W, 3) in [0, 1] each; `psnr` is the restored's."""
        worst = len(self._worst) < EACH or psnr < self._worst[-1].psnr
        best = len(self._best) < EACH or psnr > self._best[0].psnr
        if worst or best:
            shown = Shown(name, psnr, tuple(_reduced(picture) for picture in pictures))
            if worst:
                self._worst = sorted((*self._worst, shown), key=_psnr)[:EACH]
            if best:
                self._best = sorted((*self._best, shown), key=_psnr)[-EACH:]

    @property
    def shown(self) -> list[Shown]:
        """What is kept, from the worst to the best, each once."""
        kept = {shown.name: shown for shown in (*self._worst, *self._best)}
        return sorted(kept.values(), key=_psnr)

    def sheet(self) -> bytes:
        """Draw a PNG: a row for each picture under its name and PSNR. Needs one to be kept."""
        rows = [_line(COLUMNS)]
        for shown in self.shown:
            rows.append(_line((f"{shown.name}   {shown.psnr:.2f} dB",)))
            height = max(image.height for image in shown.images) + _GAP
            rows.append(_side_by_side(shown.images, height))
        sheet = rows[0]
        for row in rows[1:]:
            sheet = sheet.join(row, "vertical")
        sheet = sheet.embed(0, 0, sheet.width + _GAP, sheet.height, extend="white")
        return encode_picture(Picture(sheet.numpy()), "png")


def _psnr(shown: Shown) -> float:
    return shown.psnr


def _reduced(picture: Pixels) -> pyvips.Image:
    pixels = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation="srgb")
    # Through memory, or the reduced one would keep the whole.
    return image.thumbnail_image(WIDTH, height=WIDTH, size="down").copy_memory()


def _line(texts: tuple[str, ...]) -> pyvips.Image:
    """Write texts over the columns, black on white, in the system's font; cut where too long."""
    words = [t[:_LONGEST].encode("utf-8", "replace").decode() for t in texts]  # odd names of files
    drawn = [pyvips.Image.text(escape(text), font="sans 11", dpi=96).invert() for text in words]
    return _side_by_side(tuple(image.bandjoin([image, image]) for image in drawn), _LINE, top=4)


def _side_by_side(images: tuple[pyvips.Image, ...], height: int, top: int = 0) -> pyvips.Image:
    """Put images on a row of all columns' width; one alone may take all of it."""
    across = len(COLUMNS) // len(images) * (WIDTH + _GAP)
    cells = [image.embed(_GAP, top, across, height, extend="white") for image in images]
    row = cells[0]
    for cell in cells[1:]:
        row = row.join(cell, "horizontal")
    return row.copy(interpretation="srgb")
