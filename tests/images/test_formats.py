"""Formats told by a file's first bytes, its suffix and its name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ccnet.images.formats import (
    FORMATS,
    HEAD_BYTES,
    describe_other,
    format_named,
    format_of,
    format_of_suffix,
)

from .made import by_pillow, by_tifffile, scene


@pytest.mark.parametrize("name", FORMATS)
def test_tells_what_pillow_writes(name: str) -> None:
    assert format_of(by_pillow(scene(8, 8, 3), name)[:HEAD_BYTES]) == name


def test_tells_both_byte_orders_and_big_tiff() -> None:
    for options in ({"byteorder": ">"}, {"bigtiff": True}, {"bigtiff": True, "byteorder": ">"}):
        assert format_of(by_tifffile(scene(8, 8, 1)[:, :, 0], **options)[:HEAD_BYTES]) == "tiff"


@pytest.mark.parametrize("name", ["GIF", "BMP", "JPEG2000", "PDF"])
def test_names_other_formats_that_pillow_writes(name: str) -> None:
    head = by_pillow(scene(8, 8, 3), name)[:HEAD_BYTES]
    assert format_of(head) is None
    described = describe_other(head)
    assert described is not None
    assert described.replace(" ", "").lower().startswith(f"a{name.lower()}")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"plain text", None),
        (b"\0\0\0\x08ftyp", None),
        (b"", None),
    ],
)
def test_names_other_formats_by_their_first_bytes(head: bytes, words: str | None) -> None:
    assert format_of(head) is None
    assert describe_other(head) == words


def test_an_animated_avif_and_a_canon_raw_file_are_no_pictures() -> None:
    frames = [Image.fromarray(scene(8, 8, 3) + np.uint8(i)) for i in range(2)]
    animated = by_pillow(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert format_of(animated[:HEAD_BYTES]) is None
    assert describe_other(animated[:HEAD_BYTES]) == "an animated AVIF"
    assert format_of(b"II*\0\x10\0\0\0CR\2\0") is None


def test_suffixes_and_names_of_any_case() -> None:
    assert format_of_suffix(Path("a/b.JPeG")) == "jpeg"
    assert format_of_suffix(Path("b.tif")) == "tiff"
    assert format_of_suffix(Path("b")) is format_of_suffix(Path("b.gif")) is None
    assert format_named("JPG") == format_named(".jpeg") == format_named("jpeg") == "jpeg"
    assert format_named("bmp") is format_named("") is None
