"""Files and bytes to pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError, reason_of
from ccnet.images import libvips
from ccnet.images.colour import usable_profile
from ccnet.images.containers import avif_colour, png_colour, webp_is_lossless
from ccnet.images.exif import exif_of_tiff, upright_exif
from ccnet.images.formats import FORMATS, HEAD_BYTES, NAMES, describe_other, format_of
from ccnet.images.photoshop import split_resources
from ccnet.images.picture import Picture, Space
from ccnet.images.tiff import Tags, find_fault
from ccnet.images.xmp import upright_xmp, without_lost_parts

MAX_PIXELS = 2**28
"""The most pixels that `read_picture` decodes unless told otherwise: 268 million."""

PictureSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview"

GIVEN_AS_BYTES = "The picture given as bytes"
"""What errors call one that has no name."""

_SPACES: dict[str, tuple[Space, int]] = {
    "b-w": ("gray", 1),
    "grey16": ("gray", 1),
    "srgb": ("rgb", 3),
    "rgb16": ("rgb", 3),
    "cmyk": ("cmyk", 4),
}
# How each EXIF orientation is turned upright (EXIF 2.32, 4.6.4): rows and columns, then turns.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
_MILLIMETRES = 25.4  # in an inch; libvips counts pixels per millimetre
_MADE_UP = {1.0, 2.834, 72 / _MILLIMETRES}  # by libvips, for files that name no resolution
_MOST_PER_INCH = 100_000  # more is a broken file's, and libvips refuses to keep it
_BT2020, _DISPLAY_P3, _PQ, _HLG = 9, 12, 16, 18  # of ITU-T H.273


def read_picture(source: PictureSource, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a JPEG, PNG, WebP, TIFF or AVIF picture, whatever it is called.

    The format is told by content. The picture is turned upright as its EXIF orientation asks. Of an
    animated PNG the still picture is read; files that hold several pictures are refused, as are
    float, Lab and HDR (PQ and HLG) ones, and BT.2020 without an ICC profile. Limits are
    checked before pixels are decoded.

    An Ultra HDR JPEG's gain map and a Motion Photo's video are left out, with what XMP says of
    them. Other colours that no ICC profile tells (by PNG's gAMA and cHRM, or by the numbers of
    primaries in PNG and AVIF, but for Display P3) are taken for sRGB.

    Args:
        source: A path, or the encoded picture itself.
        max_pixels: The most pixels to decode; a larger picture is refused.

    Returns:
        The picture with its metadata. An ICC profile or EXIF block too broken to use is left out.

    Raises:
        PictureError: It cannot be read, is damaged or cut short, is too large, or is none of the
            above; the message is one sentence that names the file.
    """
    with _opened(source) as opened:
        return _read(opened, max_pixels)


def picture_size(source: PictureSource) -> tuple[int, int]:
    """Give the width and height in pixels of an upright picture, reading its header only.

    Args:
        source: As for `read_picture`.

    Raises:
        PictureError: As from `read_picture`, as far as the header tells.
    """
    with _opened(source) as opened:
        image = libvips.load(opened.source, opened.format)
        width, height = image.width, image.height
        return (height, width) if _orientation(image) >= 5 else (width, height)


@dataclass(frozen=True)
class _Opened:
    """A file with its name in messages, its format, and libvips's own way to its bytes.

    `piped` are the bytes of a pipe, which is empty now.
    """

    name: str
    format: str
    file: BinaryIO
    source: libvips.Source
    piped: bytes | None = None


@contextmanager
def _opened(source: PictureSource) -> Iterator[_Opened]:
    """Open a source and tell its format; what fails from here on becomes a PictureError."""
    data: bytes | bytearray | memoryview | None = None
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, data = GIVEN_AS_BYTES, source
    else:
        name = os.fsdecode(source)
    title = ""
    try:
        with _binary(name) if data is None else io.BytesIO(data) as file:
            head = file.read(HEAD_BYTES)
            known = _known_format(head, name)
            title = FORMATS[known].title
            if data is not None:
                yield _Opened(name, known, file, libvips.source_of(data))
            elif Path(name).is_file():
                yield _Opened(name, known, file, libvips.source_of(name))
            else:  # a pipe, which is read only once
                piped = head + file.read()
                yield _Opened(name, known, io.BytesIO(piped), libvips.source_of(piped), piped)
    except (libvips.Error, UnicodeDecodeError) as error:
        raise PictureError(
            f"{name} is damaged or cut short and cannot be decoded as {title}"
            f"{libvips.reason(error)}."
        ) from error
    except OSError as error:
        raise PictureError(f"{name} cannot be read: {reason_of(error)}.") from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than there is.") from error


def _binary(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except ValueError as error:  # a zero byte in the name
        raise PictureError(f"{name!r} cannot be read: {error}.") from error


def _known_format(head: bytes, name: str) -> str:
    if known := format_of(head):
        return known
    if not head:
        raise PictureError(f"{name} is empty.")
    if other := describe_other(head):
        raise PictureError(f"{name} is {other}, which is not read; convert it to {NAMES}.")
    raise PictureError(f"{name} is no {NAMES} picture.")


def _read(opened: _Opened, max_pixels: int) -> Picture:
    if opened.format == "tiff" and (fault := find_fault(opened.file)):
        raise PictureError(f"{opened.name} {fault}.")
    image = libvips.load(opened.source, opened.format)
    if fault := _fault(image, opened, max_pixels):
        raise PictureError(f"{opened.name} {fault}.")
    space, bands = _SPACES[image.interpretation]
    bits = libvips.field(image, "bits-per-sample") if opened.format == "avif" else None
    bits = bits or (16 if image.format == "ushort" else 8)
    orientation = _orientation(image)
    pixels, alpha = _decode(image, bands, bits)
    if orientation in _UPRIGHT:
        pixels = np.ascontiguousarray(_UPRIGHT[orientation](pixels))
        alpha = alpha if alpha is None else np.ascontiguousarray(_UPRIGHT[orientation](alpha))
    lossless = opened.format in ("png", "tiff")
    xmp = libvips.field(image, "xmp-data")
    iptc, photoshop = _iptc(image, opened)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        space=space,
        format=opened.format,
        bits=bits,
        lossless=webp_is_lossless(opened.file) if opened.format == "webp" else lossless,
        icc_profile=_profile(image, opened, space),
        exif=_exif(image, opened, width=pixels.shape[1], height=pixels.shape[0]),
        xmp=xmp and without_lost_parts(upright_xmp(xmp)),
        iptc=iptc,
        photoshop=photoshop,
        resolution=_resolution(image, opened, turned=orientation >= 5),
        piped=opened.piped,
    )


def _fault(image: libvips.Image, opened: _Opened, max_pixels: int) -> str | None:
    """Say why an opened picture is not decoded, as the rest of a sentence, or None where it is."""
    if image.width * image.height > max_pixels:
        size = f"{image.width} by {image.height} pixels"
        return f"is {size}, and at most {max_pixels} pixels are decoded; make it smaller"
    if image.format not in ("uchar", "ushort"):
        return f"holds {image.format} numbers; save it with 8 or 16 bits a sample"
    if image.interpretation not in _SPACES:
        return f"is in the colour space {image.interpretation}; convert it to RGB"
    extra = image.bands - _SPACES[image.interpretation][1]
    if extra not in (0, 1):
        return f"has {image.bands} bands; save it with its colours and at most an alpha"
    if opened.format != "tiff" and (libvips.field(image, "n-pages") or 1) > 1:
        return "holds several pictures; save the one to restore as a file of its own"
    if _colour(opened)[1] in (_PQ, _HLG):
        return "is an HDR picture; convert it to one of standard dynamic range"
    if _colour(opened)[0] == _BT2020 and libvips.field(image, "icc-profile-data") is None:
        return "is in the colours of BT.2020 without an ICC profile; convert it to sRGB"
    return None


def _decode(
    image: libvips.Image, bands: int, bits: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Decode colours and alpha, each over the full range of its type."""
    dtype = np.uint8 if image.format == "uchar" else np.uint16
    pixels = np.empty((image.height, image.width, bands), dtype)
    alpha = np.empty((image.height, image.width), dtype) if image.bands > bands else None
    for rows, strip in libvips.strips(image):
        if bits in (10, 12):  # libvips shifts them up, so that white falls short of 65535
            levels = strip.astype(np.uint32) >> (16 - bits)
            strip = (levels * 65_535 + (1 << bits) // 2) // ((1 << bits) - 1)
        pixels[rows] = strip[:, :, :bands]
        if alpha is not None:
            alpha[rows] = strip[:, :, bands]
    return pixels, alpha


def _orientation(image: libvips.Image) -> int:
    orientation = libvips.field(image, "orientation")
    return orientation if orientation in _UPRIGHT else 1


def _profile(image: libvips.Image, opened: _Opened, space: Space) -> bytes | None:
    profile = libvips.field(image, "icc-profile-data")
    if profile is None and _colour(opened)[0] == _DISPLAY_P3:
        profile = libvips.builtin_profile("p3")
    return usable_profile(profile, space)


def _colour(opened: _Opened) -> tuple[int, int]:
    """Give the numbers by which a file names its primaries and transfer curve; 0 for none."""
    named = {"avif": avif_colour, "png": png_colour}.get(opened.format)
    return (named and named(opened.file)) or (0, 0)


def _exif(image: libvips.Image, opened: _Opened, width: int, height: int) -> bytes | None:
    if opened.format == "tiff":
        exif = exif_of_tiff(Tags(opened.file))
    else:
        exif = libvips.field(image, "exif-data")
    return exif and upright_exif(exif, width, height)


def _iptc(image: libvips.Image, opened: _Opened) -> tuple[bytes | None, bytes | None]:
    """Give IPTC and, of a JPEG, Photoshop's other resources."""
    iptc = libvips.field(image, "iptc-data")
    if opened.format == "jpeg":  # whose block libvips gives as a whole
        return split_resources(iptc or b"")
    return iptc or split_resources(libvips.field(image, "photoshop-data") or b"")[0], None


def _resolution(image: libvips.Image, opened: _Opened, turned: bool) -> tuple[float, float] | None:
    # A TIFF file that names no unit gives nothing but the shape of its pixels.
    if libvips.field(image, "resolution-unit") is None and (
        opened.format == "tiff" or image.xres in _MADE_UP
    ):
        return None
    across, down = _MILLIMETRES * image.xres, _MILLIMETRES * image.yres
    if not (1 <= across <= _MOST_PER_INCH and 1 <= down <= _MOST_PER_INCH):
        return None
    return (down, across) if turned else (across, down)
