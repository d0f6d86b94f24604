"""EXIF made upright and carried into and out of TIFF, held against Pillow's reading of it."""

import io
import struct

import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from ccnet.images.exif import exif_of_tiff, tiff_with_tags, upright_exif
from ccnet.images.tiff import tags_of

from .made import by_pillow, by_tifffile, scene

MAKER_NOTE = bytes(range(256))


def example(endian: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = endian
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "(c) Somebody"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ExifImageWidth] = 40
    inner[ExifTags.Base.ExifImageHeight] = 30
    inner[ExifTags.Base.ExposureTime] = TiffImagePlugin.IFDRational(1, 125)
    inner[ExifTags.Base.MakerNote] = MAKER_NOTE
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (48.0, 8.0, 1.5)
    return exif.tobytes()


def parsed(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(data)
    return exif


def check(exif: Image.Exif) -> None:
    assert exif[ExifTags.Base.Make] == "Maker"
    assert exif[ExifTags.Base.Copyright] == "(c) Somebody"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert inner[ExifTags.Base.ExposureTime] == pytest.approx(1 / 125)
    assert inner[ExifTags.Base.MakerNote] == MAKER_NOTE
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (48.0, 8.0, 1.5)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_only_orientation_and_sizes_change(endian: str) -> None:
    before = example(endian)
    after = upright_exif(before, width=30, height=40)
    assert after is not None
    exif = parsed(b"Exif\0\0" + after)
    check(exif)
    assert exif[ExifTags.Base.Orientation] == 1
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert inner[ExifTags.Base.ExifImageWidth] == 30
    assert inner[ExifTags.Base.ExifImageHeight] == 40
    changed = sum(a != b for a, b in zip(before.removeprefix(b"Exif\0\0"), after, strict=True))
    assert changed <= 3 * 12


def test_the_thumbnail_is_cut_off() -> None:
    picture = Image.fromarray(scene(30, 40, 3))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    block = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    tags = tags_of(bytes(block))
    link = tags.directory(tags.first).link
    thumbnail = by_pillow(picture, "JPEG")
    order = {"<": "little", ">": "big"}[tags.order]
    at = len(block)
    block[link : link + 4] = at.to_bytes(4, order)  # type: ignore[arg-type]
    entries = [(0x201, at + 2 + 24 + 4), (0x202, len(thumbnail))]
    block += (2).to_bytes(2, order)  # type: ignore[arg-type]
    for tag, value in entries:
        for number, size in ((tag, 2), (4, 2), (1, 4), (value, 4)):
            block += number.to_bytes(size, order)  # type: ignore[arg-type]
    block += bytes(4) + thumbnail
    assert parsed(b"Exif\0\0" + bytes(block)).get_ifd(ExifTags.IFD.IFD1)
    after = upright_exif(bytes(block), 40, 30)
    assert after is not None
    assert not parsed(b"Exif\0\0" + after).get_ifd(ExifTags.IFD.IFD1)


def test_broken_blocks_are_left_out() -> None:
    whole = example()
    for block in (b"", b"Exif\0\0", b"no exif at all", whole[:20]):
        assert upright_exif(block, 1, 1) is None


def test_a_block_whose_entries_lie_over_its_directory_is_left_out() -> None:
    inner = struct.pack("<HHHI", 1, ExifTags.Base.ExifImageWidth, 4, 1)
    # The main directory begins where the width is.
    main = struct.pack("<HHHIII", 1, ExifTags.IFD.Exif, 4, 1, 8, 0)
    block = b"II*\0" + struct.pack("<I", 8 + len(inner)) + inner + main
    assert parsed(b"Exif\0\0" + block).get_ifd(ExifTags.IFD.Exif)
    assert upright_exif(block, 40, 30) is None


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_goes_into_a_tiff_of_any_byte_order_and_out_again(endian: str, byteorder: str) -> None:
    plain = by_tifffile(scene(30, 40, 3), photometric="rgb", byteorder=byteorder)
    block = upright_exif(example(endian), 40, 30)
    assert block is not None
    data = tiff_with_tags(plain, block, None, resolution=True)
    with Image.open(io.BytesIO(data)) as image:
        check(image.getexif())
        assert image.tobytes() == scene(30, 40, 3).tobytes()
    again = exif_of_tiff(tags_of(data))
    assert again is not None
    check(parsed(b"Exif\0\0" + again))


def test_a_plain_tiff_has_no_exif() -> None:
    assert (
        exif_of_tiff(tags_of(by_tifffile(scene(9, 9, 3), photometric="rgb", software=""))) is None
    )


def test_a_loop_of_directories_ends() -> None:
    block = bytearray(example("<").removeprefix(b"Exif\0\0"))
    at = block.find(b"\x69\x87\x04\x00") + 8
    block[at : at + 4] = (8).to_bytes(4, "little")  # the EXIF directory is the first one again
    tiff = tiff_with_tags(
        by_tifffile(scene(9, 9, 3), photometric="rgb"), bytes(block), None, resolution=True
    )
    assert exif_of_tiff(tags_of(tiff)) is not None
