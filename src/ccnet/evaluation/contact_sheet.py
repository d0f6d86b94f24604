"""Pictures side by side under labels, on one sheet to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple, TypeAlias

import numpy as np
import pyvips
from numpy.typing import NDArray

from ccnet.images import Picture, encode_picture

WIDTH = 320
"""Pixels across and down that a picture is reduced to; a smaller one is not enlarged."""

_GAP = 8
_LINE = 24  # the height of a line of text
_LONGEST = 300  # characters; more than fit into a line, and fewer than cannot be drawn at all

Pixels: TypeAlias = NDArray[np.float32]


class Row(NamedTuple):
    """One text over the whole row or one over each image, and images as `reduced` gives them."""

    texts: Sequence[str]
    images: Sequence[pyvips.Image]


def reduced(picture: Pixels) -> pyvips.Image:
    """Reduce a picture (H, W, 3) in [0, 1] to `WIDTH` pixels of 8-bit sRGB."""
    pixels = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation="srgb")
    # Through memory, or the reduced one would keep the whole.
    return image.thumbnail_image(WIDTH, height=WIDTH, size="down").copy_memory()


def draw_sheet(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Draw a PNG: the columns' names, and below them at least one row of as many images."""
    strips = [_line(columns, len(columns))]
    for row in rows:
        strips.append(_line(row.texts, len(columns)))
        height = max(image.height for image in row.images) + _GAP
        strips.append(_side_by_side(row.images, len(columns), height))
    sheet = strips[0]
    for strip in strips[1:]:
        sheet = sheet.join(strip, "vertical")
    sheet = sheet.embed(0, 0, sheet.width + _GAP, sheet.height, extend="white")
    return encode_picture(Picture(sheet.numpy()), "png")


def _line(texts: Sequence[str], columns: int) -> pyvips.Image:
    """Write texts over the columns, black on white, in the system's font; cut where too long."""
    words = [t[:_LONGEST].encode("utf-8", "replace").decode() for t in texts]  # odd names of files
    drawn = [pyvips.Image.text(escape(text), font="sans 11", dpi=96).invert() for text in words]
    return _side_by_side([image.bandjoin([image, image]) for image in drawn], columns, _LINE, top=4)


def _side_by_side(
    images: Sequence[pyvips.Image], columns: int, height: int, top: int = 0
) -> pyvips.Image:
    """Put images on a row of all columns' width; one alone may take all of it."""
    across = columns // len(images) * (WIDTH + _GAP)
    cells = [image.embed(_GAP, top, across, height, extend="white") for image in images]
    row = cells[0]
    for cell in cells[1:]:
        row = row.join(cell, "horizontal")
    return row.copy(interpretation="srgb")
