"""Files that are cut short, damaged, or larger inside than they look."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ccnet.errors import PictureError
from ccnet.images import read_picture, to_srgb

from .made import by_pillow, by_tifffile, png_by_hand, png_chunk, profile, scene
from .refusals import refusal

RGB, FOUR = scene(31, 45, 3), scene(31, 45, 4)
CMYK = Image.frombytes("CMYK", (45, 31), FOUR.tobytes())


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_blocks_that_inflate_a_thousandfold_do_no_harm(kind: bytes) -> None:
    zeros = zlib.compress(bytes(1 << 26))
    head = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0"}[kind]
    picture = read_picture(png_by_hand(RGB, png_chunk(kind, head + zeros)))
    assert np.array_equal(picture.pixels, RGB)
    assert len(picture.icc_profile or b"") + len(picture.xmp or b"") < 1 << 24


EVERY = {
    "baseline jpeg": by_pillow(RGB, "JPEG"),
    "progressive jpeg": by_pillow(RGB, "JPEG", progressive=True),
    "cmyk jpeg": by_pillow(CMYK, "JPEG"),
    "png": by_pillow(RGB, "PNG", icc_profile=profile("p3")),
    "palette png": by_pillow(Image.fromarray(RGB).convert("P"), "PNG"),
    "lossy webp": by_pillow(FOUR, "WEBP"),
    "lossless webp": by_pillow(RGB, "WEBP", lossless=True),
    "plain tiff": by_tifffile(RGB, photometric="rgb", rowsperstrip=8),
    "tiled tiff": by_tifffile(RGB, photometric="rgb", tile=(16, 16)),
    "deflated tiff": by_tifffile(RGB, photometric="rgb", compression="deflate", rowsperstrip=8),
    "jpeg tiff": by_pillow(RGB, "TIFF", compression="jpeg"),
    "avif": by_pillow(RGB, "AVIF"),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_file_cut_short_is_refused(name: str) -> None:
    data = EVERY[name]
    # A PNG's last 12 bytes only say that it ends, and its checksum before them repeats the pixels.
    most = len(data) - (17 if "png" in name else 1)
    for length in {*range(1, most, max(1, most // 60)), most}:
        message = refusal(data[:length])
        assert "cut short" in message or "is no JPEG" in message


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(name: str, draw: st.DataObject) -> None:
    data = bytearray(EVERY[name])
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at] = draw.draw(st.integers(0, 255))
    try:
        picture = read_picture(bytes(data), max_pixels=1 << 18)
    except PictureError:
        message = refusal(bytes(data), max_pixels=1 << 18)
        assert message.startswith("The picture given as bytes ")
    else:
        assert picture.pixels.dtype in (np.uint8, np.uint16)
        assert to_srgb(picture).shape == (*picture.pixels.shape[:2], 3)


def test_nothing_is_said_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    for data in EVERY.values():
        for at in range(0, len(data), max(1, len(data) // 40)):
            damaged = data[:at] + b"\xff\0" + data[at + 2 :]
            try:
                read_picture(damaged, max_pixels=1 << 22)
            except PictureError:
                continue
    assert capfd.readouterr() == ("", "")
