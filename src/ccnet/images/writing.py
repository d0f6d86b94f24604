"""Pictures to files and bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError, UsageError
from ccnet.images import libvips
from ccnet.images.colour import as_srgb
from ccnet.images.containers import (
    jpeg_with_exif,
    jpeg_with_resolution,
    png_with_blocks,
    png_without_resolution,
    webp_with_exif,
)
from ccnet.images.exif import tiff_with_tags
from ccnet.images.formats import FORMATS, Format, format_named, format_of_suffix
from ccnet.images.photoshop import join_resources
from ccnet.images.picture import Picture
from ccnet.placing import place_file, taken

_QUALITY = {"jpeg": 95, "webp": 95, "avif": 90}
_BIG_TIFF_BYTES = 3 << 30  # of pixels; a classic TIFF ends at 4 GB


def encode_picture(
    picture: Picture,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
) -> bytes:
    """Encode a picture with its metadata.

    What a format cannot hold is brought to the nearest that it can: 16 bits become 8 for JPEG and
    WebP and 12 for AVIF; CMYK becomes sRGB for all but JPEG and TIFF, and gray for WebP and AVIF;
    transparency is laid over white for JPEG. JPEG leaves out an EXIF block, XMP packet or IPTC
    block above its 64 KB, and only JPEG and TIFF hold IPTC. For AVIF libvips rewrites the EXIF
    block, which can lose a maker's notes.

    Args:
        picture: The picture.
        format: A name or suffix, such as "jpeg" or ".tif"; the picture's own if None.
        quality: 1 to 100, for what loses detail: JPEG (95 if None; colour at full resolution from
            90), AVIF (90) and WebP. If None, WebP is lossless for a lossless picture, else 95. PNG
            and TIFF are always lossless.

    Returns:
        The file's bytes.

    Raises:
        PictureError: The format cannot hold so many pixels across or down.
        UsageError: No such format or quality.
    """
    name = _named(format) or picture.format
    _check_fits(picture, name, quality, "The picture")
    return _encode(picture, name, quality, "The picture")


def write_picture(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
    overwrite: bool = False,
) -> None:
    """Encode a picture as `encode_picture` does and put it in place whole, or not at all.

    It is written to a temporary file in the same folder first, which is removed if anything fails.

    Args:
        picture: The picture.
        path: Where to; a symbolic link is followed.
        format: A name or suffix; by the path's suffix if None, and the picture's own without any.
        quality: As for `encode_picture`.
        overwrite: Whether to replace a file that is there.

    Raises:
        PictureError: The file is there already, the suffix names no format, or it cannot be
            encoded or written.
        UsageError: No such format or quality.
    """
    path = Path(path)
    name = check_target(picture, path, format=format, quality=quality)
    if not overwrite and os.path.lexists(path):
        raise PictureError(taken(path))
    data = _encode(picture, name, quality, str(path))
    place_file(data, path, error=PictureError, overwrite=overwrite)


def check_target(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
) -> str:
    """Check what `write_picture` is asked for, so that nobody restores what cannot be written.

    The arguments and what they raise are those of `write_picture`. Returns the format's name.
    """
    path = Path(path)
    name = _named(format) or format_of_suffix(path)
    if name is None and path.suffix:
        raise PictureError(
            f"{path} cannot be written: {path.suffix} is no suffix of a format that can be; use "
            f"{', '.join(held.suffixes[0] for held in FORMATS.values())}, or name the format."
        )
    name = name or picture.format
    _check_fits(picture, name, quality, str(path))
    return name


def _named(name: str | None) -> str | None:
    if name is None:
        return None
    if known := format_named(name):
        return known
    raise UsageError(f"format={name} is none of {', '.join(FORMATS)}.")


def _check_fits(picture: Picture, name: str, quality: int | None, shown: str) -> None:
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality={quality} must be from 1 to 100.")
    held = FORMATS[name]
    height, width, _ = picture.pixels.shape
    if max(height, width) > held.longest_side:
        raise PictureError(
            f"{shown} cannot be written as {held.title}, which holds at most {held.longest_side} "
            f"pixels across and down and not {width} by {height}; choose PNG or TIFF."
        )


def _encode(picture: Picture, name: str, quality: int | None, shown: str) -> bytes:
    held = FORMATS[name]
    picture = _fitted(picture, held)
    try:
        data = libvips.save(_image(picture, name), name, _options(picture, name, quality))
    except libvips.Error as error:
        reason = libvips.reason(error)
        raise PictureError(f"{shown} cannot be written as {held.title}{reason}.") from error
    return _with_rest(data, picture, name)


def _fitted(picture: Picture, held: Format) -> Picture:
    """Bring a picture's space, alpha and depth to what a format holds."""
    if picture.space not in held.spaces:
        picture = as_srgb(picture)
    if picture.alpha is not None and not held.alpha:
        picture = replace(picture, pixels=_over_white(picture), alpha=None)
    deep = picture.pixels.itemsize == 2
    wanted = (picture.bits if picture.bits > 8 else 16) if deep else 8
    bits = wanted if wanted in held.bits else held.bits[-1]
    if deep and bits == 8:
        alpha = None if picture.alpha is None else _with_bits(picture.alpha, 8)
        picture = replace(picture, pixels=_with_bits(picture.pixels, 8), alpha=alpha)
    return replace(picture, bits=bits)


def _over_white(picture: Picture) -> NDArray[Any]:
    """Lay a picture over white paper; CMYK's white is no ink."""
    assert picture.alpha is not None
    largest = np.iinfo(picture.pixels.dtype).max
    white = 0 if picture.space == "cmyk" else largest
    pixels = np.empty_like(picture.pixels)
    for row, (colours, alpha) in enumerate(zip(picture.pixels, picture.alpha, strict=True)):
        share = alpha[:, None] / largest
        pixels[row] = np.rint(colours * share + white * (1 - share))
    return pixels


def _with_bits(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Round uint16 over its full range to 8 bits, or to 10 or 12 bits shifted up for libvips."""
    rounded = np.empty(values.shape, np.uint8 if bits == 8 else np.uint16)
    for row, line in enumerate(values):
        levels = (line.astype(np.uint32) * ((1 << bits) - 1) + 32_767) // 65_535
        rounded[row] = levels if bits == 8 else levels << (16 - bits)
    return rounded


def _image(picture: Picture, name: str) -> libvips.Image:
    """Wrap a picture that fits its format for libvips, with all metadata that libvips carries."""
    pixels, alpha = picture.pixels, picture.alpha
    if picture.bits in (10, 12):
        pixels = _with_bits(pixels, picture.bits)
        alpha = alpha if alpha is None else _with_bits(alpha, picture.bits)
    image = libvips.image_of(np.ascontiguousarray(pixels), picture.space)
    if alpha is not None:
        image = image.bandjoin(libvips.image_of(np.ascontiguousarray(alpha[:, :, None]), "gray"))
    across, down = picture.resolution or (72, 72)
    image = image.copy(xres=across / 25.4, yres=down / 25.4)
    blobs = {
        "icc-profile-data": picture.icc_profile if name != "png" else None,
        "xmp-data": picture.xmp,
        "iptc-data": join_resources(picture.iptc, picture.photoshop) if name == "jpeg" else None,
        "exif-data": picture.exif if name == "avif" else None,
    }
    return libvips.with_blobs(image, blobs)


def _options(picture: Picture, name: str, quality: int | None) -> dict[str, object]:
    lossless = picture.lossless and quality is None
    quality = quality or _QUALITY.get(name, 0)
    options: dict[str, dict[str, object]] = {
        "jpeg": {"Q": quality, "optimize_coding": True},
        # libvips's own choice, no filter, makes photographs a quarter larger.
        "png": {"compression": 6, "filter": "all"},
        "webp": {"Q": quality, "lossless": lossless, "smart_subsample": True, "exact": True},
        "tiff": {
            "compression": "deflate",
            "predictor": "horizontal",
            "bigtiff": picture.pixels.nbytes > _BIG_TIFF_BYTES,
        },
        # Effort 4, libvips's own, takes seven times as long for files 1 % smaller.
        "avif": {"Q": quality, "compression": "av1", "bitdepth": picture.bits, "effort": 2},
    }
    # Asked to keep EXIF where there is none, libvips would make some up.
    keep = "icc|xmp|iptc|exif" if name == "avif" and picture.exif else "icc|xmp|iptc"
    return options[name] | {"keep": keep}


def _with_rest(data: bytes, picture: Picture, name: str) -> bytes:
    """Add what libvips does not carry, and take away what it makes up."""
    if name == "jpeg":  # both go to the file's beginning, JFIF first
        data = data if picture.exif is None else jpeg_with_exif(data, picture.exif)
        if picture.resolution and picture.space != "cmyk":  # which JFIF does not know
            data = jpeg_with_resolution(data, picture.resolution)
        return data
    if name == "png":
        data = data if picture.resolution else png_without_resolution(data)
        return png_with_blocks(data, picture.icc_profile, picture.exif)
    if name == "tiff":
        resolution = picture.resolution is not None
        return tiff_with_tags(data, picture.exif, picture.iptc, resolution=resolution)
    if name == "webp" and picture.exif is not None:
        height, width, _ = picture.pixels.shape
        return webp_with_exif(data, picture.exif, width, height, picture.alpha is not None)
    return data
