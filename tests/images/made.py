"""Pictures, encoded files and colour profiles made in code, by other libraries than ours."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, TypeAlias

import numpy as np
import pyvips
import tifffile
from numpy.typing import DTypeLike, NDArray
from PIL import Image

Array: TypeAlias = NDArray[Any]
Primaries: TypeAlias = list[tuple[float, float]]

_WHITES = {"D50": (0.3457, 0.3585), "D65": (0.3127, 0.3290)}
# Primaries, white and gamma; a gamma of 0 stands for sRGB's curve.
_SPACES: dict[str, tuple[Primaries, str, float]] = {
    "adobe": ([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], "D65", 563 / 256),
    "prophoto": ([(0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)], "D50", 461 / 256),
    "srgb": ([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)], "D65", 0),
    "p3": ([(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], "D65", 0),
}
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


def scene(height: int, width: int, bands: int, dtype: DTypeLike = np.uint8) -> Array:
    """A smooth (H, W, bands) picture over the type's full range."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [np.sin(down / 9 + band) + np.cos(across / 7 - band) for band in range(bands)]
    levels: Array = (np.stack(waves, -1) + 2) / 4 * np.iinfo(dtype).max
    return np.rint(levels).astype(dtype)


def by_pillow(picture: Array | Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, name, **options)
    return file.getvalue()


def by_tifffile(pixels: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_by_hand(pixels: Array, chunks: bytes = b"", size: tuple[int, int] | None = None) -> bytes:
    """A PNG file of 1 to 4 bands at 8 or 16 bits, which may claim another (height, width)."""
    height, width = size or pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 0)
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    lines = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    body = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", lines)
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def pillow_pixels(data: bytes) -> Array:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def colorants(name: str) -> Array:
    """The matrix from an RGB space's linear light to XYZ relative to D50 (Bradford's transform)."""
    primaries, white, _ = _SPACES[name]
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = _WHITES[white]
    seen = np.array([x / y, 1, (1 - x - y) / y])
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ seen))
    adaptation = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD
    result: Array = adaptation @ (columns * np.linalg.solve(columns, seen))
    return result


def linear(name: str, values: Array) -> Array:
    """A space's values in [0, 1] to linear light, by formula."""
    gamma = _SPACES[name][2]
    if gamma:
        return np.power(values, gamma)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(name: str, light: Array) -> Array:
    """Linear light to a space's values, clipped to [0, 1], by formula."""
    light = np.clip(light, 0, 1)
    gamma = _SPACES[name][2]
    if gamma:
        return np.power(light, 1 / gamma)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def converted(source: str, target: str, values: Array) -> Array:
    """Colours from one RGB space to another, by formula."""
    between = np.linalg.solve(colorants(target), colorants(source))
    return encoded(target, linear(source, values) @ between.T)


def fixed(values: Any) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65_536)) for value in values)


def gamma_tag(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(gamma * 256))


def xyz_tag(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(values)


def rgb_profile(matrix: Array, curves: list[bytes]) -> bytes:
    """An ICC profile of three curves and a matrix."""
    tags = {b"rgb"[i : i + 1] + b"XYZ": xyz_tag(matrix[:, i]) for i in range(3)}
    return icc_file(b"RGB ", tags | {b"rgb"[i : i + 1] + b"TRC": curves[i] for i in range(3)})


def icc_file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile (version 2.4, a display's) of the given tags."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    note = b"text\0\0\0\0none\0\0\0\0"
    tags = {b"desc": text + bytes(-len(text) % 4), b"cprt": note, b"wtpt": xyz_tag(_D50)} | tags
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I4xI4s4s4s", start + len(body), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(_D50)
    return head.ljust(128, b"\0") + table + body


def profile(name: str) -> bytes:
    """The ICC profile of "adobe", "prophoto", "srgb", "p3", "gray" (gamma 1.8) or "cmyk"."""
    if name == "cmyk":
        built_in: bytes = pyvips.Image.profile_load("cmyk")
        return built_in
    if name == "gray":
        return icc_file(b"GRAY", {b"kTRC": gamma_tag(1.8)})
    gamma = _SPACES[name][2]
    srgb = b"para\0\0\0\0\0\3\0\0" + fixed([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045])
    return rgb_profile(colorants(name), [gamma_tag(gamma) if gamma else srgb] * 3)
