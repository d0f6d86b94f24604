"""Directories of tags, held against tifffile."""

import io
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ccnet.images.exif import upright_exif
from ccnet.images.tiff import Field, Tags, append_directory, find_fault, in_order, tags_of

from .made import by_tifffile, scene

ORDERS = [("<", False), (">", False), ("<", True), (">", True)]


@pytest.mark.parametrize(("order", "big"), ORDERS)
def test_reads_what_tifffile_writes(order: str, big: bool) -> None:
    pixels = scene(40, 30, 3, np.uint16)
    data = by_tifffile(
        pixels, photometric="rgb", byteorder=order, bigtiff=big, rowsperstrip=7, software="ours"
    )
    tags = tags_of(data)
    fields = tags.directory(tags.first).fields
    with tifffile.TiffFile(io.BytesIO(data)) as other:
        page = other.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        for tag in (256, 257, 258, 273, 278, 279):
            value = page.tags[tag].value
            expected = list(value) if isinstance(value, tuple) else [value]
            assert tags.numbers(fields[tag]) == expected
    assert fields[305].data == b"ours\0"


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_appended_directory_is_read_by_tifffile(order: str) -> None:
    data = bytearray(by_tifffile(scene(9, 9, 1)[:, :, 0], byteorder=order))
    tags = tags_of(bytes(data))
    fields = tags.directory(tags.first).fields
    fields[315] = Field(2, 7, b"nobody\0", 0)
    at = append_directory(data, fields, order)
    data[4:8] = struct.pack(f"{order}I", at)
    with tifffile.TiffFile(io.BytesIO(data)) as other:
        page = other.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.tags[315].value == "nobody"
        assert np.array_equal(page.asarray(), scene(9, 9, 1)[:, :, 0])


def test_turns_each_kind_of_number_around() -> None:
    rational = Field(5, 1, struct.pack("<II", 1, 125), 0)
    assert in_order(rational, "<", ">").data == struct.pack(">II", 1, 125)
    assert in_order(Field(12, 1, struct.pack("<d", 2.5), 0), "<", ">").data == struct.pack(
        ">d", 2.5
    )
    text = Field(2, 4, b"abc\0", 0)
    assert in_order(text, "<", ">") == text
    assert in_order(rational, "<", "<") is rational


def test_broken_files_are_value_errors_and_loops_end() -> None:
    for data in (b"", b"II*\0", b"xx*\0\x08\0\0\0", b"II*\0\xff\0\0\0"):
        with pytest.raises(ValueError, match=r"cut short|no TIFF header"):
            (tags := tags_of(data)).directory(tags.first)
    ring = b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8)
    assert len(list(tags_of(ring).directories())) == 1


def test_fields_that_share_their_bytes_do_not_multiply_them() -> None:
    def table(tags: range, following: int) -> bytes:
        entries = b"".join(struct.pack("<HHII", tag, 7, 4000, 0) for tag in tags)
        return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)

    data = (b"II*\0\x08\0\0\0" + table(range(1000, 1300), 0)).ljust(5000, b"\0")
    with pytest.raises(ValueError, match="share"):
        (tags := tags_of(data)).directory(tags.first)
    assert find_fault(io.BytesIO(data)) is not None
    assert upright_exif(data, 8, 8) is None

    chain = b"II*\0\x08\0\0\0"  # each of whose pages holds the same bytes
    for _ in range(100):
        chain += table(range(1), len(chain) + 18)
    assert len(list(tags_of(chain.ljust(5000, b"\0")).directories())) == 2


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]))
def test_any_bytes_are_read_or_a_value_error(rest: bytes, magic: bytes) -> None:
    try:
        tags = Tags(io.BytesIO(magic + rest))
    except ValueError:
        return
    for directory in tags.directories():
        for field in directory.fields.values():
            assert all(number >= 0 for number in tags.numbers(field))
            assert in_order(in_order(field, "<", ">"), ">", "<") == field


def test_finds_missing_strips_and_tiles() -> None:
    for options in ({"rowsperstrip": 4}, {"tile": (16, 16)}):
        data = by_tifffile(scene(64, 48, 1)[:, :, 0], **options)
        assert find_fault(io.BytesIO(data)) is None
        fault = find_fault(io.BytesIO(data[:-1]))
        assert fault is not None
        assert "cut short" in fault


def test_tells_pages_from_thumbnails() -> None:
    full, small = scene(32, 32, 1)[:, :, 0], scene(8, 8, 1)[:, :, 0]

    def fault_of(*pages: tuple[np.ndarray, int]) -> str | None:
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for pixels, kind in pages:
                writer.write(pixels, subfiletype=kind, metadata=None)
        return find_fault(file)

    assert fault_of((full, 0), (small, 1)) is None
    assert "several" in str(fault_of((full, 0), (full, 0)))
    assert "raw" in str(fault_of((small, 1), (full, 0)))
