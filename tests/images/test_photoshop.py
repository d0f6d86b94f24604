"""Photoshop's resources taken apart and joined, held against Pillow and blocks by hand."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ccnet.images.photoshop import join_resources, split_resources

from .made import by_pillow, scene

PREFIX = b"Photoshop 3.0\0"
IPTC = b"\x1c\x02\x78\0\x03sun"


def resource(kind: int, data: bytes, name: bytes = b"") -> bytes:
    name = bytes([len(name)]) + name
    name += bytes(len(name) % 2)
    length = struct.pack(">I", len(data))
    return b"8BIM" + struct.pack(">H", kind) + name + length + data + bytes(len(data) % 2)


GUIDES, URL = resource(0x0408, b"guides."), resource(0x040B, b"https://", b"a name")
THUMBNAIL = resource(0x040C, bytes(40))


def test_iptc_is_told_from_the_others() -> None:
    block = PREFIX + GUIDES + resource(0x0404, IPTC) + THUMBNAIL + URL
    assert split_resources(block) == (IPTC, GUIDES + URL)
    assert split_resources(block.removeprefix(PREFIX)) == (IPTC, GUIDES + URL)


@pytest.mark.parametrize("iptc", [IPTC, IPTC + b"?"])
def test_what_is_joined_is_what_pillow_finds(iptc: bytes) -> None:
    block = join_resources(iptc, URL)
    assert block is not None
    plain = by_pillow(scene(9, 8, 3), "JPEG")
    segment = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    with Image.open(io.BytesIO(plain[:2] + segment + plain[2:])) as image:
        assert image.info["photoshop"] == {0x0404: iptc, 0x040B: b"https://"}
    assert split_resources(block) == (iptc, URL)


def test_nothing_is_made_of_nothing() -> None:
    assert join_resources(None, None) is None
    assert split_resources(PREFIX) == (None, None)
    assert split_resources(b"") == (None, None)


def test_what_is_before_the_damage_is_kept() -> None:
    whole = PREFIX + GUIDES + resource(0x0404, IPTC)
    assert split_resources(whole + URL[:-3]) == (IPTC, GUIDES)
    assert split_resources(whole + b"8BIM") == (IPTC, GUIDES)


@given(st.binary(max_size=60))
def test_no_bytes_break_it(rest: bytes) -> None:
    split_resources(b"8BIM" + rest)
