"""Writing, held against what Pillow and tifffile read back, and against what must not be lost."""

from __future__ import annotations

import io
import os
import stat
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from ccnet.errors import PictureError, UsageError
from ccnet.images import Picture, encode_picture, read_picture, to_srgb, write_picture
from ccnet.images.formats import FORMATS

from .made import Array, by_pillow, by_tifffile, pillow_pixels, profile, scene

RGB = scene(31, 45, 3)
BANDS = {"gray": 1, "rgb": 3, "cmyk": 4}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif_block() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "50 mm"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def read_by_others(data: bytes) -> Array:
    """Decode without libvips; 16-bit RGB PNG, which Pillow cannot read, is left to the reader."""
    if data[:2] in (b"II", b"MM"):
        return tifffile.imread(io.BytesIO(data))
    return pillow_pixels(data)


@settings(max_examples=60)
@given(
    name=st.sampled_from(list(FORMATS)),
    space=st.sampled_from(list(BANDS)),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    with_alpha=st.booleans(),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_every_kind_of_picture_comes_back(
    name: str, space: Any, dtype: Any, with_alpha: bool, height: int, width: int
) -> None:
    pixels = scene(height, width, BANDS[space], dtype)
    alpha = scene(height, width, 1, dtype)[:, :, 0] if with_alpha else None
    picture = Picture(pixels, alpha, space, name, 8 * pixels.itemsize)
    back = read_picture(encode_picture(picture))
    held = FORMATS[name]
    assert back.format == name
    assert back.space == (space if space in held.spaces else "rgb")
    assert back.pixels.shape[:2] == (height, width)
    assert back.bits == (8 if dtype == np.uint8 else held.bits[-1])
    exact = name in ("png", "tiff") or (name == "webp" and dtype == np.uint8)
    if exact and space in held.spaces:
        assert np.array_equal(back.pixels, pixels)
    if exact and alpha is not None:
        assert back.alpha is not None
        assert np.array_equal(back.alpha, alpha)
    if not with_alpha or held.alpha:
        error = np.abs(to_srgb(back) - to_srgb(picture)).mean()
        assert error < (0.5 if exact else 6) / 255


@pytest.mark.parametrize("name", ["png", "tiff", "webp"])
@pytest.mark.parametrize("bands", [3, 4])
def test_others_read_the_same_pixels(name: str, bands: int) -> None:
    pixels = scene(31, 45, bands)
    alpha = pixels[:, :, 3].copy() if bands == 4 else None
    picture = Picture(pixels[:, :, :3].copy(), alpha, format=name)
    assert np.array_equal(read_by_others(encode_picture(picture)), pixels)


@pytest.mark.parametrize("space", ["gray", "rgb", "cmyk"])
def test_tifffile_reads_16_bits(space: Any) -> None:
    pixels = scene(31, 45, BANDS[space], np.uint16)
    data = encode_picture(Picture(pixels, space=space, format="tiff", bits=16))
    assert np.array_equal(read_by_others(data), pixels.squeeze())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        expected = {"gray": "MINISBLACK", "rgb": "RGB", "cmyk": "SEPARATED"}[space]
        assert tifffile.PHOTOMETRIC(page.photometric).name == expected


def test_pillow_reads_16_bit_gray_png_and_la() -> None:
    deep = scene(31, 45, 1, np.uint16)
    data = encode_picture(Picture(deep, space="gray", bits=16))
    assert np.array_equal(pillow_pixels(data), deep[:, :, 0])
    both = scene(31, 45, 2)
    picture = Picture(both[:, :, :1].copy(), both[:, :, 1].copy(), space="gray")
    assert np.array_equal(pillow_pixels(encode_picture(picture)), both)


def test_pillow_reads_the_same_inks() -> None:
    inks = scene(31, 45, 4)
    data = encode_picture(Picture(inks, space="cmyk", format="jpeg"), quality=100)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK"
        assert np.abs(np.asarray(image).astype(int) - inks).max() <= 3


def test_jpeg_is_good_by_default_and_follows_quality() -> None:
    picture = Picture(RGB, format="jpeg")
    error = np.abs(pillow_pixels(encode_picture(picture)).astype(int) - RGB)
    assert error.mean() < 2
    with Image.open(io.BytesIO(encode_picture(picture))) as image:
        assert isinstance(image, JpegImageFile)
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
    for name in ("jpeg", "webp", "avif"):
        sizes = [len(encode_picture(picture, name, quality)) for quality in (10, 50, 100)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]


def test_webp_is_lossless_as_its_source_was() -> None:
    for data, lossless in [
        (by_pillow(RGB, "WEBP", lossless=True), True),
        (by_pillow(RGB, "WEBP", quality=95), False),
        (by_pillow(RGB, "PNG"), True),
        (by_pillow(RGB, "JPEG"), False),
    ]:
        picture = read_picture(data)
        assert picture.lossless is lossless
        again = read_picture(encode_picture(picture, "webp"))
        assert again.lossless is lossless
        assert np.array_equal(again.pixels, picture.pixels) is lossless
    lossy = encode_picture(read_picture(by_pillow(RGB, "PNG")), "webp", quality=90)
    assert not read_picture(lossy).lossless


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_keeps_its_bits(bits: int) -> None:
    levels = (1 << bits) - 1
    dtype = np.uint8 if bits == 8 else np.uint16
    full = np.iinfo(dtype).max
    ramp = np.linspace(0, levels, 64).round().astype(np.uint32)
    pixels = ((ramp * full + levels // 2) // levels).astype(dtype)
    pixels = np.broadcast_to(pixels[None, :, None], (64, 64, 3)).copy()
    picture = Picture(pixels, format="avif", bits=bits)
    back = read_picture(encode_picture(picture, quality=100))
    assert back.bits == bits
    assert np.abs(back.pixels.astype(int) - pixels).mean() < full / 255
    assert back.pixels.max() >= full * 0.99


def test_jpeg_lays_transparency_over_white() -> None:
    for space, white in (("gray", 255), ("rgb", 255), ("cmyk", 0)):
        pixels = np.full((16, 48, BANDS[space]), 100, np.uint8)
        alpha = np.repeat(np.array([0, 128, 255], np.uint8), 16)[None].repeat(16, 0)
        picture = Picture(pixels, alpha, space, "jpeg")  # type: ignore[arg-type]
        back = read_picture(encode_picture(picture)).pixels[8, [4, 24, 44], 0].astype(int)
        half = round((100 * 128 + white * 127) / 255)
        assert np.abs(back - [white, half, 100]).max() <= 2


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_is_kept(name: str) -> None:
    icc = profile("adobe")
    picture = Picture(RGB, format=name, icc_profile=icc, exif=exif_block(), xmp=XMP)
    picture = replace(picture, resolution=(300.0, 150.0))
    data = encode_picture(picture)
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        assert exif[ExifTags.Base.Make] == "Maker"
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] == "50 mm"
        assert image.info["icc_profile"] == icc
        if name in ("jpeg", "png", "tiff"):
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    back = read_picture(data)
    assert back.icc_profile == icc
    assert back.xmp == XMP
    assert back.exif is not None
    if name in ("jpeg", "png", "webp"):
        assert back.exif == picture.exif
    if name in ("jpeg", "png", "tiff"):
        assert back.resolution == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("name", FORMATS)
def test_none_is_made_up(name: str) -> None:
    data = encode_picture(Picture(RGB, format=name))
    with Image.open(io.BytesIO(data)) as image:
        assert "dpi" not in image.info
    back = read_picture(data)
    assert (back.icc_profile, back.exif, back.xmp, back.iptc) == (None, None, None, None)
    assert back.resolution is None


def test_a_tiff_says_that_it_names_no_resolution() -> None:
    with tifffile.TiffFile(io.BytesIO(encode_picture(Picture(RGB, format="tiff")))) as file:
        assert file.pages.first.tags["ResolutionUnit"].value == 1
        assert np.array_equal(file.asarray(), RGB)


def test_a_profile_that_libpng_finds_wrong_is_written_too() -> None:
    odd = bytearray(profile("p3") + b"\0")
    odd[:4] = len(odd).to_bytes(4, "big")
    odd[64:68] = b"\0\1\0\0"  # no such rendering intent
    for name in FORMATS:
        picture = read_picture(by_pillow(RGB, "WEBP", icc_profile=bytes(odd), lossless=True))
        assert picture.icc_profile == bytes(odd)
        with Image.open(io.BytesIO(encode_picture(picture, name))) as image:
            assert image.info["icc_profile"] == bytes(odd)


def test_blocks_too_large_for_jpeg_are_left_out() -> None:
    large = b"<x>" + b"y" * 70_000 + b"</x>"
    picture = Picture(RGB, format="jpeg", xmp=large, exif=exif_block() + bytes(70_000))
    back = read_picture(encode_picture(picture))
    assert (back.xmp, back.exif) == (None, None)
    back = read_picture(encode_picture(picture, "png"))
    assert (back.xmp, back.exif) == (picture.xmp, picture.exif)


def test_depth_follows_the_pixels() -> None:
    picture = Picture(scene(8, 8, 3, np.uint16))  # which claims 8 bits by default
    assert read_picture(encode_picture(picture)).bits == 16


IPTC = b"".join(
    struct.pack(">3BH", 0x1C, 2, number, len(text)) + text
    for number, text in ((5, b"A title"), (25, b"fog"), (80, b"Somebody"), (90, b"Paris."))
)
"""Four entries (IIM 4.2), as long as a block is that holds no number of 16 bytes."""


def app13(iptc: bytes, others: bytes = b"") -> bytes:
    """The segment that JPEG has it in, by hand."""
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
    block = b"Photoshop 3.0\0" + others + resource
    return b"\xff\xed" + struct.pack(">H", len(block) + 2) + block


def tiff_iptc(data: bytes) -> bytes:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        value = file.pages.first.tags["IPTCNAA"].value
    assert isinstance(value, bytes)
    return value


def test_iptc_goes_from_jpeg_to_tiff_and_back_whole() -> None:
    assert len(IPTC) == 44
    plain = by_pillow(RGB, "JPEG")
    from_jpeg = read_picture(plain[:2] + app13(IPTC) + plain[2:])
    assert app13(IPTC) in encode_picture(from_jpeg)
    tiff = encode_picture(from_jpeg, "tiff")
    assert tiff_iptc(tiff) == IPTC
    assert tiff_iptc(encode_picture(replace(from_jpeg, exif=exif_block()), "tiff")) == IPTC
    assert app13(IPTC) in encode_picture(read_picture(tiff), "jpeg")


@pytest.mark.parametrize("kind", ["BYTE", "UNDEFINED", "LONG"])
def test_iptc_of_other_tiff_writers_is_kept(kind: str) -> None:
    number, value = tifffile.DATATYPE[kind], IPTC
    tag = (33723, number, 11, struct.unpack("<11I", IPTC)) if kind == "LONG" else None
    data = by_tifffile(RGB, photometric="rgb", extratags=[tag or (33723, number, 44, value)])
    assert tiff_iptc(encode_picture(read_picture(data))) == IPTC
    assert app13(IPTC) in encode_picture(read_picture(data), "jpeg")


def test_iptc_among_photoshop_s_resources_of_a_tiff_is_kept() -> None:
    resources = app13(IPTC).partition(b"Photoshop 3.0\0")[2]
    tag = (34377, tifffile.DATATYPE.UNDEFINED, len(resources), resources)
    data = by_tifffile(RGB, photometric="rgb", extratags=[tag])
    assert tiff_iptc(encode_picture(read_picture(data))) == IPTC


def test_other_resources_of_photoshop_stay_in_a_jpeg() -> None:
    other = b"8BIM\x04\x0b\0\0\0\0\0\x08https://"
    plain = by_pillow(RGB, "JPEG")
    picture = read_picture(plain[:2] + app13(IPTC, other) + plain[2:])
    assert app13(IPTC, other) in encode_picture(picture)
    assert other not in encode_picture(picture, "tiff")


def test_a_gray_profile_does_not_stay_on_an_rgb_file() -> None:
    gray = Picture(scene(31, 45, 1), space="gray", icc_profile=profile("gray"))
    back = read_picture(encode_picture(gray, "webp"))
    assert back.icc_profile is None
    assert np.abs(to_srgb(back) - to_srgb(gray)).max() < 1 / 255


def test_a_side_too_long_is_said() -> None:
    wide = Picture(np.zeros((1, 16_384, 3), np.uint8))
    with pytest.raises(PictureError, match="WebP, which holds at most 16383 pixels"):
        encode_picture(wide, "webp")
    assert read_picture(encode_picture(wide, "png")).pixels.shape == (1, 16_384, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_the_longest_side_can_be_written(name: str) -> None:
    side = min(FORMATS[name].longest_side, 70_000)
    data = encode_picture(Picture(np.zeros((1, side, 3), np.uint8), format=name))
    assert read_picture(data).pixels.shape == (1, side, 3)


def test_arguments_are_checked() -> None:
    picture = Picture(RGB)
    for quality in (0, 101, -5):
        with pytest.raises(UsageError, match=f"quality={quality}"):
            encode_picture(picture, "jpeg", quality)
    with pytest.raises(UsageError, match="format=bmp"):
        encode_picture(picture, "bmp")
    assert encode_picture(picture, "JPG") == encode_picture(picture, "jpeg")


def test_the_suffix_names_the_format(tmp_path: Path) -> None:
    picture = Picture(RGB, format="tiff")
    for name in ("a.jpg", "a.PNG", "a.webp", "a.tif", "a.avif", "plain"):
        write_picture(picture, tmp_path / name)
    written = {path.name: read_picture(path).format for path in tmp_path.iterdir()}
    assert written.pop("plain") == "tiff"
    assert written.pop("a.jpg") == "jpeg"
    assert written == {"a.PNG": "png", "a.webp": "webp", "a.tif": "tiff", "a.avif": "avif"}
    with pytest.raises(PictureError, match=r"a\.bmp cannot be written.*\.jpg, \.png"):
        write_picture(picture, tmp_path / "a.bmp")
    write_picture(picture, tmp_path / "a.bmp", format="png")
    assert read_picture(tmp_path / "a.bmp").format == "png"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(PictureError, match=r"a\.png is there already"):
        write_picture(Picture(RGB), path)
    assert path.read_bytes() == b"precious"
    write_picture(Picture(RGB), path, overwrite=True)
    assert np.array_equal(read_picture(path).pixels, RGB)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    path = tmp_path / "a.png"
    if overwrite:
        path.write_bytes(b"precious")
    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(PictureError, match=r"a\.png cannot be written: no space left on device\."):
        write_picture(Picture(RGB), path, overwrite=overwrite)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"precious"] * overwrite


def test_places_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "a.png", tmp_path / ("n" * 300 + ".png"), "a\0.png"):
        with pytest.raises(PictureError) as caught:
            write_picture(Picture(RGB), path)
        assert str(caught.value).startswith(f"{path} cannot be written: ")
    for overwrite in (False, True):
        with pytest.raises(PictureError, match=r"is a folder; name a file in it\.$"):
            write_picture(Picture(RGB), tmp_path, format="png", overwrite=overwrite)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links and modes are another matter on Windows")
def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_picture(Picture(RGB), link, overwrite=True)
    assert link.is_symlink()
    assert np.array_equal(read_picture(target).pixels, RGB)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        write_picture(Picture(RGB), tmp_path / "new.png")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new.png").stat().st_mode) == 0o640
    with pytest.raises(PictureError, match="is there already"):
        write_picture(Picture(RGB), link)
