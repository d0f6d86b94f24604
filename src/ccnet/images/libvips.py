"""The one place in `images` that talks to libvips, through pyvips.

A few things about it shape this file. Its worker threads do not survive a fork, and a child that
waits for them waits forever; so pixels are fetched strip by strip in the calling thread, which
also spares a second copy of the picture, and only saving, where threads pay, and decoding WebP,
where they cannot be avoided, use them. Its cache of operations would keep the last hundred
pictures in memory, so importing this turns it off. And its complaints of broken files would reach
standard error, so they are handed to logging.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pyvips

pyvips.cache_set_max(0)

Image: TypeAlias = Any  # pyvips.Image: pyvips comes without usable types
Source: TypeAlias = Any  # pyvips.Source
Error: type[Exception] = pyvips.Error

_LOADERS = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "webp": "webpload_source",
    "tiff": "tiffload_source",
    "avif": "heifload_source",
}
_SAVERS = {
    "jpeg": "jpegsave_buffer",
    "png": "pngsave_buffer",
    "webp": "webpsave_buffer",
    "tiff": "tiffsave_buffer",
    "avif": "heifsave_buffer",
}
# libtiff calls unreadable pixels an error and an odd tag a warning; the others warn when cut short.
_FAIL_ON = {"tiff": "error"}
_DTYPES: dict[str, type[np.generic]] = {
    "uchar": np.uint8,
    "ushort": np.uint16,
    "float": np.float32,
}
_INTERPRETATIONS = {
    ("gray", 1): "b-w",
    ("gray", 2): "grey16",
    ("rgb", 1): "srgb",
    ("rgb", 2): "rgb16",
    ("rgb", 4): "scrgb",
    ("cmyk", 1): "cmyk",
    ("cmyk", 2): "cmyk",
}
# Lines that libvips adds before or after the one that tells what is wrong.
_NO_REASONS = ("source: bad seek", "vips__tiff_openin_source")
_CODE = re.compile(r"\s*\(\d+\.\d+\)$")  # libheif's number for the failure
_STRIP_PIXELS = 1 << 20

_threads_of: int | None = None  # the process in which libvips started its threads


def _log(_domain: Any, _level: int, message: Any, _data: Any) -> None:
    # pyvips's own handler fails, with a traceback on standard error, on bytes that are no UTF-8.
    logging.getLogger("pyvips").debug(pyvips.ffi.string(message).decode(errors="replace"))


def _log_handler() -> Any:
    if not pyvips.API_mode:
        return pyvips.ffi.callback("GLogFunc", _log)
    pyvips.ffi.def_extern(name="_log_handler_callback")(_log)
    return pyvips.glib_lib._log_handler_callback


_LOG_HANDLER = _log_handler()  # C keeps no reference to it
for _domain in (b"GLib", b"GLib-GObject", b"VIPS"):
    _known = pyvips.glib_lib.g_log_set_handler(_domain, 0xFF, _LOG_HANDLER, pyvips.ffi.NULL)
    # libvips says more while it ends, when there is no Python to hand that to.
    atexit.register(pyvips.glib_lib.g_log_remove_handler, _domain, _known)


def source_of(file: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Source:
    """Make a source that reads a file by path, or an encoded picture in memory."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        return pyvips.Source.new_from_memory(file)
    return pyvips.Source.new_from_file(os.fsencode(file))


def load(source: Source, name: str) -> Image:
    """Open a picture with the loader of one format (a key of FORMATS), and no other, ever.

    The pixels are decoded when they are fetched. Raises Error, here and there.
    """
    pyvips.vips_lib.vips_error_clear()  # of what was said of other pictures
    fail_on = _FAIL_ON.get(name, "truncated")
    return getattr(pyvips.Image, _LOADERS[name])(source, access="sequential", fail_on=fail_on)


def save(image: Image, name: str, options: dict[str, object]) -> bytes:
    """Encode a picture with the saver of one format. Raises Error."""
    _use_threads()
    encoded: bytes = getattr(image, _SAVERS[name])(**options)
    return encoded


def image_of(pixels: np.ndarray, space: str) -> Image:
    """Wrap a (H, W, C) array in C order, without a copy, as an image of "gray", "rgb" or "cmyk"."""
    height, width, bands = pixels.shape
    name = next(name for name, dtype in _DTYPES.items() if pixels.dtype == dtype)
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, name)
    return image.copy(interpretation=_INTERPRETATIONS[space, pixels.itemsize])


def rows_of(height: int, width: int) -> Iterator[slice]:
    """Cut a picture, from top to bottom, into rows of about a million pixels."""
    step = max(16, _STRIP_PIXELS // width // 16 * 16)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def strips(image: Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Decode or compute an image by rows as `rows_of` cuts them.

    Yields:
        The rows, and their pixels (rows, W, C). Raises Error.
    """
    if field(image, "vips-loader") == _LOADERS["webp"]:
        _use_threads()
    region = pyvips.Region.new(image)
    # In a strip that fails, libvips starts again at every row, and AVIF then decodes all each time.
    region.fetch(0, 0, image.width, 1)
    for rows in rows_of(image.height, image.width):
        count = rows.stop - rows.start
        data = region.fetch(0, rows.start, image.width, count)
        strip = np.frombuffer(data, _DTYPES[image.format])
        yield rows, strip.reshape(count, image.width, image.bands)


def pixels_of(image: Image) -> np.ndarray:
    """Decode or compute all of an image: (H, W, C), uint8, uint16 or float32. Raises Error."""
    pixels = np.empty((image.height, image.width, image.bands), _DTYPES[image.format])
    for rows, strip in strips(image):
        pixels[rows] = strip
    return pixels


def field(image: Image, name: str) -> Any:
    """Give an image's metadata field, or None where it has no such one."""
    return image.get(name) if image.get_typeof(name) else None


def with_blobs(image: Image, blobs: dict[str, bytes | None]) -> Image:
    """Attach blocks of metadata to a copy of an image, by libvips's names for them."""
    image = image.copy()
    for name, data in blobs.items():
        if data is not None:
            image.set_type(pyvips.GValue.blob_type, name, data)
    return image


def builtin_profile(name: str) -> bytes:
    """Give one of libvips's own ICC profiles: "srgb", "p3" or "cmyk"."""
    profile: bytes = pyvips.Image.profile_load(name)
    return profile


def _use_threads() -> None:
    """Make sure that libvips's threads are there, for what would wait for them forever."""
    global _threads_of
    if _threads_of not in (None, os.getpid()):
        raise RuntimeError(
            "Pictures were encoded, or WebP decoded, before this process was forked, and libvips's "
            'threads are gone; start processes by multiprocessing\'s "spawn" or "forkserver".'
        )
    _threads_of = os.getpid()


def reason(error: Exception) -> str:
    """Put libvips's last word on a failure into parentheses, with a space before; or nothing."""
    lines = [line.strip() for line in str(getattr(error, "detail", "")).splitlines()]
    lines = [line for line in lines if line and not line.startswith(_NO_REASONS)]
    if not lines:
        return ""
    domain, _, words = lines[-1].partition(": ")
    words = words if words and " " not in domain else lines[-1]
    words = _CODE.sub("", words)[:160].rstrip(".")
    return f" ({words})" if words else ""
