"""EXIF put into files, and what WebP and AVIF say of themselves, held against Pillow."""

import io

import pytest
from PIL import ExifTags, Image

from ccnet.images.containers import (
    avif_colour,
    jpeg_with_exif,
    jpeg_with_resolution,
    png_colour,
    png_with_blocks,
    png_without_resolution,
    webp_is_lossless,
    webp_with_exif,
)

from .made import by_pillow, pillow_pixels, png_by_hand, png_chunk, profile, scene


def block() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def check(data: bytes, plain: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[ExifTags.Base.Make] == "Maker"
    assert pillow_pixels(data).tobytes() == pillow_pixels(plain).tobytes()


def test_into_jpeg() -> None:
    plain = by_pillow(scene(9, 8, 3), "JPEG")
    check(jpeg_with_exif(plain, block()), plain)


def test_a_block_too_large_for_jpeg_is_left_out() -> None:
    plain = by_pillow(scene(9, 8, 3), "JPEG")
    most = bytes(65_535 - 2 - 6)
    assert len(jpeg_with_exif(plain, most)) == len(plain) + 65_535 + 2
    assert jpeg_with_exif(plain, most + b"\0") == plain


def test_resolution_into_jpeg() -> None:
    bare = by_pillow(scene(9, 8, 3), "JPEG")
    bare = bare[:2] + bare[2 + 18 :]  # less the segment that Pillow begins with
    with Image.open(io.BytesIO(jpeg_with_resolution(bare, (299.7, 1e9)))) as image:
        assert image.info["dpi"] == (300, 65_535)


def test_into_png() -> None:
    plain = by_pillow(scene(9, 8, 4), "PNG")
    check(png_with_blocks(plain, None, block()), plain)
    with Image.open(io.BytesIO(png_with_blocks(plain, profile("p3"), None))) as image:
        assert image.info["icc_profile"] == profile("p3")
    assert png_with_blocks(plain, None, None) == plain


def test_no_resolution_in_png() -> None:
    pixels, named = scene(9, 8, 3), png_chunk(b"pHYs", bytes(9))
    plain = png_by_hand(pixels, png_chunk(b"tEXt", b"a"))
    assert png_without_resolution(plain) == plain
    assert png_without_resolution(png_by_hand(pixels, png_chunk(b"tEXt", b"a") + named)) == plain
    assert png_without_resolution(plain[:40]) == plain[:40]


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("xmp", [b"", b"<odd number"])
def test_into_webp(bands: int, lossless: bool, xmp: bytes) -> None:
    options = {"xmp": xmp} if xmp else {}
    plain = by_pillow(scene(9, 8, bands), "WEBP", lossless=lossless, **options)
    data = webp_with_exif(plain, block() + b"\0", 8, 9, bands == 4)
    check(data, plain)
    assert webp_is_lossless(io.BytesIO(plain)) is webp_is_lossless(io.BytesIO(data)) is lossless
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == ("RGBA" if bands == 4 else "RGB")
        assert image.info.get("xmp", b"") == xmp


def test_a_broken_webp_is_not_lossless() -> None:
    whole = by_pillow(scene(9, 8, 3), "WEBP", lossless=True)
    assert not webp_is_lossless(io.BytesIO(whole[:12]))
    assert not webp_is_lossless(io.BytesIO(whole[:12] + b"XMP \xff\xff\xff\xff"))


def test_an_avif_names_its_colours() -> None:
    assert avif_colour(io.BytesIO(by_pillow(scene(9, 8, 3), "AVIF"))) == (1, 13)
    assert avif_colour(io.BytesIO(b"nothing")) is None


def test_a_png_names_its_colours_or_not() -> None:
    pixels, named = scene(9, 8, 3), png_chunk(b"cICP", bytes([9, 16, 0, 1]))
    whole = png_by_hand(pixels, png_chunk(b"tEXt", b"a") + named)
    assert png_colour(io.BytesIO(whole)) == (9, 16)
    assert png_colour(io.BytesIO(whole[:55])) is None
    assert png_colour(io.BytesIO(png_by_hand(pixels))) is None
    assert png_colour(io.BytesIO(png_by_hand(pixels)[:-12] + named)) is None
