"""A decoded picture with all that must be kept of its file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Space: TypeAlias = Literal["gray", "rgb", "cmyk"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture's pixels, upright, in its own colours, and what its file says of them.

    Attributes:
        pixels: (H, W, C) uint8 or uint16 in C order, over the type's full range: 1 gray, 3 RGB or
            4 CMYK bands (0 is no ink). Palettes and 1, 2 and 4 bits are expanded to 8.
        alpha: (H, W) of the same type, or None; colours are not multiplied by it.
        space: What the bands of `pixels` are.
        format: A key of `ccnet.images.formats.FORMATS`: "jpeg", "png", "webp", "tiff" or "avif".
        bits: Bits per sample in the file: 8, 16, or AVIF's 10 and 12 (which are uint16 here).
        lossless: Whether the file holds the pixels without loss.
        icc_profile: The ICC profile of `pixels`; None means sRGB, its gray, or uncalibrated CMYK.
        exif: An EXIF block without JPEG's "Exif" prefix, its orientation upright.
        xmp: An XMP packet.
        iptc: An IPTC block (IIM), as TIFF keeps it; JPEG has it among Photoshop's resources.
        photoshop: The other ones of these, which only JPEG is given back.
        resolution: Pixels per inch across and down, if the file names them.
        piped: The whole file, where it came through a pipe, which gives it only once.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    space: Space = "rgb"
    format: str = "png"
    bits: int = 8
    lossless: bool = True
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    photoshop: bytes | None = None
    resolution: tuple[float, float] | None = None
    piped: bytes | None = None

    def cut(self, rows: slice, columns: slice = slice(None)) -> Picture:
        """Cut out a part, without its alpha."""
        return replace(self, pixels=self.pixels[rows, columns], alpha=None)
