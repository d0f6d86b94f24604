"""Photoshop's resources, in which JPEG files keep IPTC.

Written from Adobe's Photoshop File Formats Specification, "Image Resources Section". The IPTC block
itself (IIM, Information Interchange Model) is what other formats hold without anything around it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PREFIX = b"Photoshop 3.0\0"
_SIGNATURE = b"8BIM"
_IPTC = 0x0404
_THUMBNAILS = {0x0409, 0x040C}


def split_resources(block: bytes) -> tuple[bytes | None, bytes | None]:
    """Take IPTC out of a block of resources, of which what follows a broken one is left out.

    Args:
        block: The resources, with or without the prefix that JPEG gives them.

    Returns:
        The IPTC block, and the other resources without a prefix; None for what there is not. A
        thumbnail, which shows the picture before its restoration, is left out.
    """
    iptc, others = None, b""
    for kind, resource, data in _resources(block.removeprefix(_PREFIX)):
        if kind == _IPTC:
            iptc = iptc or data
        elif kind not in _THUMBNAILS:
            others += resource
    return iptc or None, others or None


def join_resources(iptc: bytes | None, others: bytes | None) -> bytes | None:
    """Make what `split_resources` takes apart, with the prefix; None of nothing."""
    resources = others or b""
    if iptc:
        resources += _SIGNATURE + struct.pack(">H2xI", _IPTC, len(iptc))
        resources += iptc + bytes(len(iptc) % 2)
    return _PREFIX + resources if resources else None


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Walk the resources: the number of each, all of it, and its data."""
    at = 0
    while block[at : at + 4] == _SIGNATURE and at + 12 <= len(block):
        kind, name_length = struct.unpack_from(">HB", block, at + 4)
        size_at = at + 6 + (1 + name_length + 1) // 2 * 2
        size = int.from_bytes(block[size_at : size_at + 4], "big")
        end = size_at + 4 + size
        if end > len(block):
            return
        yield kind, block[at:end] + bytes(size % 2), block[size_at + 4 : end]
        at = end + size % 2
