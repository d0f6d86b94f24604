"""Bytes around pixels that libvips does not reach: where EXIF goes; what PNG, WebP and AVIF say.

JPEG's segments are those of ITU-T T.81 and JFIF 1.02, PNG's chunks those of its third edition,
WebP's those of Google's container specification, and AVIF's boxes those of ISO/IEC 14496-12.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_MOST_JPEG_SEGMENT = 65_535 - 2
_VP8X_ALPHA, _VP8X_EXIF = 0x10, 0x08
_AVIF_HEADER_BYTES = 1 << 16


def jpeg_with_exif(data: bytes, exif: bytes) -> bytes:
    """Add an EXIF block to a JPEG file that has none; one too large for a segment is left out."""
    segment = b"Exif\0\0" + exif
    if len(segment) > _MOST_JPEG_SEGMENT:
        return data
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def jpeg_with_resolution(data: bytes, resolution: tuple[float, float]) -> bytes:
    """Add the JFIF segment, with pixels per inch across and down, that libvips leaves out."""
    across, down = (min(max(round(value), 1), 65_535) for value in resolution)
    segment = struct.pack(">2sH5s2BB2H2B", b"\xff\xe0", 16, b"JFIF", 1, 2, 1, across, down, 0, 0)
    return data[:2] + segment + data[2:]


def png_with_blocks(data: bytes, profile: bytes | None, exif: bytes | None) -> bytes:
    """Add an ICC profile and an EXIF block to a PNG file that has none, after its header.

    libpng would refuse to write profiles that it finds wrong, of which there are many that work.
    """
    chunks = b""
    if profile is not None:
        chunks += _png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif is not None:
        chunks += _png_chunk(b"eXIf", exif)
    at = 8 + 25  # the signature and IHDR
    return data[:at] + chunks + data[at:]


def _png_chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png_without_resolution(data: bytes) -> bytes:
    """Take the pixels per metre that libvips makes up out of a PNG file."""
    at = 8
    while data[at + 4 : at + 8] not in (b"IDAT", b""):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"pHYs":
            return data[:at] + data[end:]
        at = end
    return data


def png_colour(file: BinaryIO) -> tuple[int, int] | None:
    """Give a PNG file's primaries and transfer curve (ITU-T H.273), where a cICP chunk has them."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"cICP":
            numbers = file.read(2)
            return (numbers[0], numbers[1]) if len(numbers) == 2 else None
        file.seek(length + 4, os.SEEK_CUR)  # past the data and their checksum
    return None


def webp_with_exif(data: bytes, exif: bytes, width: int, height: int, alpha: bool) -> bytes:
    """Add an EXIF block to a WebP file that has none; its simple form becomes the extended one."""
    chunks = []
    at = 12
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        end += end % 2
        chunks.append(data[at:end])
        at = end
    if not chunks[0].startswith(b"VP8X"):
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        flags = _VP8X_ALPHA if alpha else 0
        chunks.insert(0, b"VP8X" + struct.pack("<IB3x", 10, flags) + sizes)
    chunks[0] = chunks[0][:8] + bytes([chunks[0][8] | _VP8X_EXIF]) + chunks[0][9:]
    block = b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
    xmp = next((i for i, chunk in enumerate(chunks) if chunk.startswith(b"XMP ")), len(chunks))
    body = b"WEBP" + b"".join([*chunks[:xmp], block, *chunks[xmp:]])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_is_lossless(file: BinaryIO) -> bool:
    """Whether a WebP file's (first) picture is stored without loss."""
    return any(name == b"VP8L" for name in _webp_chunks(file))


def _webp_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Walk the names of a WebP file's chunks, up to the one that holds the picture."""
    at = 12
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        yield head[:4]
        if head[:3] == b"VP8" and head[3:4] != b"X":
            return
        at += 8 + int.from_bytes(head[4:8], "little")
        at += at % 2


def avif_colour(file: BinaryIO) -> tuple[int, int] | None:
    """Give the numbers of an AVIF file's primaries and transfer curve (ITU-T H.273)."""
    file.seek(0)
    head = file.read(_AVIF_HEADER_BYTES)
    at = head.find(b"colrnclx")
    numbers = head[at + 8 : at + 12]
    if at < 0 or len(numbers) < 4:
        return None
    primaries, transfer = struct.unpack(">HH", numbers)
    return primaries, transfer
