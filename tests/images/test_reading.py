"""Reading, held against what Pillow, tifffile and plain arithmetic make of the same files."""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageOps

from ccnet.errors import PictureError
from ccnet.images import MAX_PIXELS, Picture, picture_size, read_picture, to_srgb
from ccnet.images.formats import FORMATS

from .made import (
    Array,
    by_pillow,
    by_tifffile,
    pillow_pixels,
    png_by_hand,
    png_chunk,
    profile,
    scene,
)
from .refusals import refusal

GRAY, RGB, FOUR = scene(31, 45, 1)[:, :, 0], scene(31, 45, 3), scene(31, 45, 4)
DEEP, DEEP_RGB = scene(31, 45, 1, np.uint16)[:, :, 0], scene(31, 45, 3, np.uint16)
CMYK = Image.frombytes("CMYK", (45, 31), FOUR.tobytes())
LA = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(FOUR[:, :, 3])])


def stacked(picture: Picture) -> Array:
    """Colours and alpha as one array, as other libraries give them."""
    alpha = [] if picture.alpha is None else [picture.alpha[:, :, None]]
    return np.concatenate([picture.pixels, *alpha], axis=2).squeeze()


@pytest.mark.parametrize(
    ("picture", "name", "options"),
    [
        (GRAY, "PNG", {}),
        (LA, "PNG", {}),
        (RGB, "PNG", {}),
        (FOUR, "PNG", {}),
        (DEEP, "PNG", {}),
        (GRAY, "JPEG", {}),
        (RGB, "JPEG", {"progressive": True}),
        (RGB, "JPEG", {"subsampling": "4:4:4", "quality": 100}),
        (CMYK, "JPEG", {}),
        (RGB, "WEBP", {"lossless": True}),
        (FOUR, "WEBP", {"lossless": True, "exact": True}),
        (GRAY, "TIFF", {}),
        (RGB, "TIFF", {"compression": "tiff_lzw"}),
        (FOUR, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (CMYK, "TIFF", {}),
        (DEEP, "TIFF", {}),
    ],
)
def test_pixels_are_as_pillow_reads_them(
    picture: Array | Image.Image, name: str, options: dict[str, Any]
) -> None:
    data = by_pillow(picture, name, **options)
    ours, theirs = read_picture(data), pillow_pixels(data)
    assert ours.pixels.flags.c_contiguous
    assert stacked(ours).dtype == theirs.dtype
    # JPEG decoders may differ in rounding, and in how they smooth coarser colours.
    assert np.abs(stacked(ours).astype(int) - theirs).max() <= (2 if name == "JPEG" else 0)


@pytest.mark.parametrize(("picture", "bands"), [(RGB, 3), (FOUR, 4)])
def test_avif_and_lossy_webp_are_about_as_pillow_reads_them(picture: Array, bands: int) -> None:
    for name in ("AVIF", "WEBP"):
        data = by_pillow(picture, name, quality=90, subsampling="4:4:4")
        ours, theirs = stacked(read_picture(data)), pillow_pixels(data)
        assert ours.shape == theirs.shape == (31, 45, bands)
        assert np.abs(ours.astype(int) - theirs).mean() < 2


@pytest.mark.parametrize("mode", ["1", "P"])
@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_palettes_and_single_bits_are_expanded(mode: str, name: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    picture = read_picture(by_pillow(image, name))
    expected = np.asarray(image.convert("L" if mode == "1" else "RGB"))
    assert np.array_equal(stacked(picture), expected)
    assert picture.space == ("gray" if mode == "1" else "rgb")
    assert picture.bits == 8


def test_transparent_palettes_and_colours_become_alpha() -> None:
    image = Image.fromarray(RGB).convert("P")
    data = by_pillow(image, "PNG", transparency=bytes(range(256)))
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(opened.convert("RGBA"))
    assert np.array_equal(stacked(read_picture(data)), expected)
    key = by_pillow(GRAY, "PNG", transparency=int(GRAY[0, 0]))
    alpha = read_picture(key).alpha
    assert alpha is not None
    assert np.array_equal(alpha, np.where(GRAY[0, 0] == GRAY, 0, 255))


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_16_bit_png_is_exact(bands: int) -> None:
    pixels = scene(31, 45, bands, np.uint16)
    picture = read_picture(png_by_hand(pixels))
    assert picture.bits == 16
    assert np.array_equal(stacked(picture), pixels.squeeze())
    assert (picture.alpha is None) == (bands in (1, 3))


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (DEEP_RGB, {"photometric": "rgb"}),
        (DEEP_RGB, {"photometric": "rgb", "compression": "deflate", "predictor": True}),
        (DEEP_RGB, {"photometric": "rgb", "tile": (16, 16), "byteorder": ">"}),
        (DEEP_RGB, {"photometric": "rgb", "bigtiff": True}),
        (np.moveaxis(DEEP_RGB, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        (scene(31, 45, 4, np.uint16), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (scene(31, 45, 4, np.uint16), {"photometric": "separated"}),
        (scene(31, 45, 5), {"photometric": "separated", "extrasamples": ["unassalpha"]}),
    ],
)
def test_tiff_is_as_tifffile_wrote_it(pixels: Array, options: dict[str, Any]) -> None:
    picture = read_picture(by_tifffile(pixels, **options))
    expected = np.moveaxis(pixels, 0, 2) if "planarconfig" in options else pixels
    assert np.array_equal(stacked(picture), expected)
    assert picture.space == ("cmyk" if options["photometric"] == "separated" else "rgb")
    assert (picture.alpha is not None) == ("extrasamples" in options)


def test_white_is_zero_tiff_is_turned_round() -> None:
    assert np.array_equal(
        stacked(read_picture(by_tifffile(DEEP, photometric="miniswhite"))), 65_535 - DEEP
    )


def test_10_bit_avif_covers_the_full_range() -> None:
    white = np.full((16, 16, 3), 65_472, np.uint16)  # 1023, as libvips shifts it
    image = pyvips.Image.new_from_array(white).copy(interpretation="rgb16")
    picture = read_picture(image.heifsave_buffer(compression="av1", bitdepth=10, Q=100))
    assert picture.bits == 10
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.min() == 65_535


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_is_turned_upright_as_pillow_turns_it(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 100, "subsampling": "4:4:4"}
    if name in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if name == "WEBP" else {}
    data = by_pillow(RGB, name, exif=exif, **options)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    picture = read_picture(data)
    assert picture.pixels.shape == expected.shape
    assert picture.pixels.flags.c_contiguous
    assert np.abs(picture.pixels.astype(int) - expected).max() <= (8 if name == "AVIF" else 2)
    assert picture_size(data) == (expected.shape[1], expected.shape[0])
    if picture.exif is not None:
        kept = Image.Exif()
        kept.load(picture.exif)
        assert kept.get(0x0112, 1) == 1


def test_alpha_is_turned_with_its_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = read_picture(by_pillow(FOUR, "PNG", exif=exif)).alpha
    assert alpha is not None
    assert np.array_equal(alpha, np.rot90(FOUR[:, :, 3], -1))


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3000, 7), (7, 3000)])
@pytest.mark.parametrize("name", FORMATS)
def test_any_size(size: tuple[int, int], name: str) -> None:
    data = by_pillow(scene(*size, 3), name)
    assert read_picture(data).pixels.shape == (*size, 3)
    assert picture_size(data) == size[::-1]


def test_resolution_is_kept_and_none_is_made_up() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    for name in ("PNG", "JPEG", "TIFF"):
        resolution = read_picture(by_pillow(RGB, name, dpi=(300, 150))).resolution
        assert resolution == pytest.approx((300, 150), abs=0.02)
        assert read_picture(by_pillow(RGB, name)).resolution is None
        turned = read_picture(by_pillow(RGB, name, dpi=(300, 150), exif=exif)).resolution
        assert turned == pytest.approx((150, 300), abs=0.02)
    for unit, expected in ((1, None), (2, (300, 150)), (3, (762, 381))):
        data = by_tifffile(RGB, photometric="rgb", resolution=(300, 150), resolutionunit=unit)
        assert read_picture(data).resolution == (expected and pytest.approx(expected, abs=0.02))


@pytest.mark.parametrize("name", FORMATS)
def test_profiles_and_xmp_are_kept(name: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    options: dict[str, Any] = {"xmp": xmp} if name in ("jpeg", "webp", "avif") else {}
    if name == "tiff":
        options = {"tiffinfo": {700: xmp}}
    if name == "png":
        info = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
        data = png_by_hand(RGB, png_chunk(b"iTXt", info))
        assert read_picture(data).xmp == xmp
    picture = read_picture(by_pillow(RGB, name, icc_profile=profile("adobe"), **options))
    assert picture.icc_profile == profile("adobe")
    assert picture.xmp == (None if name == "png" else xmp)


@pytest.mark.parametrize(
    "broken",
    [b"nonsense", profile("p3")[:150], profile("cmyk"), profile("gray"), bytes(500), b""],
)
def test_a_profile_that_cannot_be_used_is_left_out(broken: bytes) -> None:
    picture = read_picture(by_pillow(RGB, "WEBP", lossless=True, icc_profile=broken))
    assert picture.icc_profile is None
    assert np.array_equal(picture.pixels, RGB)


def nclx(primaries: int, transfer: int) -> bytes:
    data = by_pillow(RGB, "AVIF")
    before = b"nclx" + struct.pack(">HH", 1, 13)
    assert data.count(before) == 1
    return data.replace(before, b"nclx" + struct.pack(">HH", primaries, transfer))


def cicp(primaries: int, transfer: int, before: bytes = b"") -> bytes:
    """A PNG file with the chunk by which PNG names them."""
    return png_by_hand(RGB, before + png_chunk(b"cICP", bytes([primaries, transfer, 0, 1])))


@pytest.mark.parametrize("named", [nclx, cicp])
def test_a_picture_without_profile_may_be_display_p3(named: Callable[[int, int], bytes]) -> None:
    plain, wide = read_picture(named(1, 13)), read_picture(named(12, 13))
    assert plain.icc_profile is None
    assert wide.icc_profile is not None
    saturated = plain.pixels.max(2).astype(int) - plain.pixels.min(2) > 200
    change = to_srgb(wide) - to_srgb(plain)
    assert np.abs(change[saturated]).max() > 0.05


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused(transfer: int) -> None:
    for data in (nclx(9, transfer), cicp(9, transfer), cicp(9, transfer, png_chunk(b"tEXt", b"a"))):
        assert "is an HDR picture" in refusal(data)


def test_bt2020_is_refused_unless_a_profile_tells_its_colours() -> None:
    for data in (nclx(9, 1), cicp(9, 1)):
        assert "BT.2020 without an ICC profile" in refusal(data)
    told = by_pillow(RGB, "PNG", icc_profile=profile("p3"))
    told = told[:33] + png_chunk(b"cICP", bytes([9, 1, 0, 1])) + told[33:]
    assert read_picture(told).icc_profile == profile("p3")


def test_formats_are_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "really a png[Q=3].jpg"
    path.write_bytes(by_pillow(RGB, "PNG"))
    assert read_picture(path).format == "png"
    assert np.array_equal(read_picture(str(path)).pixels, RGB)
    assert picture_size(path) == (45, 31)


@pytest.mark.skipif(os.name == "nt", reason="Windows has only names in Unicode")
def test_names_of_any_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9 \xe2\x98\x83.png"
    try:
        Path(os.fsdecode(path)).write_bytes(by_pillow(RGB, "PNG"))
    except OSError:
        pytest.skip("this file system has only names in Unicode")
    assert np.array_equal(read_picture(os.fsdecode(path)).pixels, RGB)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind(kind: Any) -> None:
    assert np.array_equal(read_picture(kind(by_pillow(RGB, "PNG"))).pixels, RGB)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[by_pillow(RGB, "TIFF")])
    writer.start()
    assert np.array_equal(read_picture(path).pixels, RGB)
    writer.join()


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    def named(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        message = refusal(path)
        assert message.startswith(f"{path} ")
        return message

    assert named("empty.jpg", b"").endswith("is empty.")
    assert "JPEG, PNG, WebP, TIFF or AVIF" in named("text.jpg", b"This is no picture.\n")
    assert "is a GIF picture" in named("moving.jpg", by_pillow(RGB, "GIF"))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    assert "is no JPEG" in named("drawing.jpg", svg)
    assert "no such file" in refusal(tmp_path / "missing.jpg")
    assert "is a directory" in refusal(tmp_path) or os.name == "nt"
    assert "null byte" in refusal("a\0b.jpg")
    with pytest.raises(PictureError, match="no such file"):
        picture_size(tmp_path / "missing.jpg")


def test_what_cannot_be_restored_is_said() -> None:
    assert "float" in refusal(by_tifffile(RGB.astype(np.float32), photometric="rgb"))
    assert "uint" in refusal(by_tifffile(DEEP.astype(np.uint32)))
    assert "Lab" in refusal(by_pillow(Image.frombytes("LAB", (45, 31), RGB.tobytes()), "TIFF"))
    assert "5 bands" in refusal(by_tifffile(scene(31, 45, 5), photometric="rgb"))
    frames = [Image.fromarray(frame) for frame in (RGB, RGB[::-1])]
    moving = by_pillow(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert "several pictures" in refusal(moving)
    pages = io.BytesIO()
    tifffile.imwrite(pages, np.stack([GRAY, GRAY]), photometric="minisblack")
    assert "several pictures" in refusal(pages.getvalue())


def test_of_an_animated_png_the_still_is_read() -> None:
    frames = [Image.fromarray(frame) for frame in (RGB, RGB[::-1])]
    data = by_pillow(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_picture(data).pixels, RGB)


def test_sizes_are_limited_before_decoding() -> None:
    bomb = png_by_hand(RGB, size=(60_000, 60_000))
    assert str(MAX_PIXELS) in refusal(bomb)
    assert picture_size(bomb) == (60_000, 60_000)
    data = by_pillow(RGB, "PNG")
    assert "45 by 31 pixels, and at most 1394" in refusal(data, max_pixels=31 * 45 - 1)
    assert read_picture(data, max_pixels=31 * 45).pixels.shape == (31, 45, 3)
