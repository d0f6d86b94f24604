"""Directories of tags, the structure that TIFF files and EXIF blocks share.

Written from TIFF 6.0, section 2, and the BigTIFF note of libtiff. libvips reads the pixels; this
reads what it leaves alone: whether a TIFF file is whole, how many pictures it holds, and its EXIF.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _PHOTOMETRIC, _DNG_VERSION = 254, 255, 262, 50706
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES = 273, 279, 324, 325
_LABS = {8, 9, 10}  # photometric interpretations

SHORT, LONG, UNDEFINED = 3, 4, 7
# Bytes of one value, and of the numbers that it is made of, by TIFF's number for its kind.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_VALUE_BYTES |= {16: 8, 17: 8, 18: 8}
_NUMBER_BYTES = _VALUE_BYTES | {5: 4, 10: 4}
_MOST_FIELDS = 4096
_MOST_DIRECTORIES = 1000


@dataclass(frozen=True)
class Field:
    """One entry of a directory."""

    kind: int
    count: int
    data: bytes  # in the byte order of where it was read
    entry: int  # where the entry itself begins


@dataclass(frozen=True)
class Directory:
    """One directory; `link` is where the offset of the following one is kept.

    `size` is how many bytes it takes in its file, with the values that it points to.
    """

    fields: dict[int, Field]
    following: int
    link: int
    size: int


class Tags:
    """Reads directories from a seekable file that begins with a TIFF header.

    Raises ValueError, here and in `directory`, where the file ends too early or is no such file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        head = self._take(0, 8)
        try:
            self.order = {b"II": "<", b"MM": ">"}[head[:2]]
            self.big = {42: False, 43: True}[self._number(head[2:4])]
        except KeyError:
            raise ValueError("no TIFF header") from None
        self.first = self._number(self._take(8, 8) if self.big else head[4:8])

    def directory(self, offset: int) -> Directory:
        """Read the directory at an offset, less fields whose values lie outside the file.

        One whose fields take more than the file holds, since they share bytes, is a ValueError.
        """
        count_bytes, entry_bytes, slot_bytes = (8, 20, 8) if self.big else (2, 12, 4)
        count = self._number(self._take(offset, count_bytes))
        if count > _MOST_FIELDS:
            raise ValueError("too many fields")
        start = offset + count_bytes
        table = self._take(start, count * entry_bytes + slot_bytes)
        fields, held = {}, 0
        for at in range(0, count * entry_bytes, entry_bytes):
            tag, kind = self._number(table[at : at + 2]), self._number(table[at + 2 : at + 4])
            values = self._number(table[at + 4 : at + 4 + slot_bytes])
            slot = table[at + entry_bytes - slot_bytes : at + entry_bytes]
            length = values * _VALUE_BYTES.get(kind, 0)
            if length <= slot_bytes:
                data = slot[:length]
            elif (place := self._number(slot)) + length > self.size:
                continue
            elif (held := held + length) > self.size:
                raise ValueError("fields that share their bytes")
            else:
                data = self._take(place, length)
            if length:
                fields[tag] = Field(kind, values, data, start + at)
        following = self._number(table[-slot_bytes:])
        size = count_bytes + len(table) + held
        return Directory(fields, following, start + count * entry_bytes, size)

    def directories(self) -> Iterator[Directory]:
        """Walk the chain of directories, one for each page; stops where it loops or is broken.

        It stops, too, where directories took more than the file holds, since they share bytes.
        """
        offset, seen, held = self.first, set[int](), 0
        while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(offset)
            try:
                directory = self.directory(offset)
            except ValueError:
                return
            yield directory
            held += directory.size
            if held > self.size:
                return
            offset = directory.following

    def numbers(self, field: Field | None) -> list[int]:
        """Give a field's values as unsigned whole numbers; none where there is no field."""
        if field is None or field.kind not in (1, SHORT, LONG, 13, 16, 18):
            return []
        values = np.frombuffer(field.data, f"{self.order}u{_NUMBER_BYTES[field.kind]}")
        return [int(value) for value in values]

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def _take(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise ValueError("cut short")
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise ValueError("cut short")
        return data


def in_order(field: Field, order: str, wanted: str) -> Field:
    """Turn a field's values from one byte order ("<" or ">") into another."""
    if order == wanted:
        return field
    size = _NUMBER_BYTES[field.kind]
    data = np.frombuffer(field.data, f"u{size}").byteswap().tobytes()
    return replace(field, data=data)


def append_directory(blob: bytearray, fields: dict[int, Field], order: str) -> int:
    """Append a directory of a classic (not Big) TIFF and its values; returns its offset.

    Args:
        blob: The file so far; what is appended begins at an even offset, as TIFF asks.
        fields: By tag, their data in the file's byte order.
        order: The file's byte order, "<" or ">".
    """
    blob.extend(bytes(len(blob) % 2))
    offset = len(blob)
    values_at = offset + 2 + 12 * len(fields) + 4
    table, values = bytearray(struct.pack(f"{order}H", len(fields))), bytearray()
    for tag, field in sorted(fields.items()):
        table += struct.pack(f"{order}HHI", tag, field.kind, field.count)
        if len(field.data) <= 4:
            table += field.data.ljust(4, b"\0")
        else:
            table += struct.pack(f"{order}I", values_at + len(values))
            values += field.data + bytes(len(field.data) % 2)
    blob += table + bytes(4) + values
    return offset


def find_fault(file: BinaryIO) -> str | None:
    """Say why a TIFF file cannot be restored as one whole photograph, or None where it can.

    libvips fills pixels that lie past the file's end with noise, and takes the thumbnail that
    begins a camera's raw file for the photograph, so both are found here.

    Returns:
        The rest of a sentence that begins with the file's name.
    """
    try:
        tags = Tags(file)
        page = tags.directory(tags.first)
    except ValueError:
        return "is damaged or cut short and cannot be decoded as TIFF"
    for offsets_tag, bytes_tag in ((_STRIP_OFFSETS, _STRIP_BYTES), (_TILE_OFFSETS, _TILE_BYTES)):
        offsets = tags.numbers(page.fields.get(offsets_tag))
        lengths = tags.numbers(page.fields.get(bytes_tag))
        if any(at + length > tags.size for at, length in zip(offsets, lengths, strict=False)):
            return "is cut short: part of its pixels is missing"
    if _DNG_VERSION in page.fields or _is_reduced(tags, page):
        return "is a camera's raw file or begins with a thumbnail; convert it to a plain TIFF"
    if _LABS.intersection(tags.numbers(page.fields.get(_PHOTOMETRIC))):
        return "is in the Lab colour space; convert it to RGB"
    if sum(not _is_reduced(tags, other) for other in tags.directories()) > 1:
        return "holds several pictures; save each as a file of its own"
    return None


def _is_reduced(tags: Tags, page: Directory) -> bool:
    """Whether a page is a smaller copy or a mask of another one."""
    new = tags.numbers(page.fields.get(_NEW_SUBFILE_TYPE))
    old = tags.numbers(page.fields.get(_SUBFILE_TYPE))
    return bool(new and new[0] & 0b101) or old[:1] == [2]


def tags_of(data: bytes) -> Tags:
    """Read the tags of a TIFF file or EXIF block in memory."""
    return Tags(io.BytesIO(data))
