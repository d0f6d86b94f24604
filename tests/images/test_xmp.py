"""XMP, whose orientation and claims of lost parts are changed, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.images import read_picture
from ccnet.images.xmp import upright_xmp, without_lost_parts

from .made import by_pillow, scene

HEAD = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:h='http://ns.adobe.com/hdr-gain-map/1.0/'
 xmlns:Container="http://ns.google.com/photos/1.0/container/\""""
TAIL = b"""</rdf:Description></rdf:RDF></x:xmpmeta>\n   <?xpacket end="w"?>"""
KEPT = b" dc:format='image/jpeg > x'\n GCamera:CaptureMode=\"2\""
CLAIMS = b""" GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion = '1'
 GCamera:MicroVideo="1" h:Version="1.0\""""
TITLE = b"<dc:title>A &lt; B</dc:title>"
DIRECTORY = b"""<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item
 Item:Mime="video/mp4" xmlns:Item="http://ns.google.com/photos/1.0/container/item/"/></rdf:li></rdf:Seq>
</Container:Directory>"""
ELEMENTS = b"<GCamera:MicroVideoOffset>4000</GCamera:MicroVideoOffset><h:Version/>"


def test_claims_are_taken_out_and_all_else_stays() -> None:
    packet = HEAD + CLAIMS + KEPT + b">" + DIRECTORY + TITLE + ELEMENTS + TAIL
    expected = HEAD + KEPT + b">" + TITLE + TAIL
    ET.fromstring(expected)
    assert without_lost_parts(packet) == expected
    assert without_lost_parts(packet + b"\0") == expected + b"\0"
    assert without_lost_parts(expected) == expected


def test_a_motion_photo_is_read_without_them() -> None:
    packet = HEAD + CLAIMS + KEPT + b">" + TITLE + TAIL
    data = by_pillow(scene(9, 9, 3), "JPEG", xmp=packet) + b"\0\0\0\x18ftypmp42"
    assert read_picture(data).xmp == HEAD + KEPT + b">" + TITLE + TAIL


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no XML",
        HEAD + CLAIMS + b">" + TITLE,
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + HEAD.partition(b"\n")[2] + CLAIMS + b">" + TAIL,
        b"<?xml version='1.0' encoding='none'?><a/>",
        b"<a xmlns:other='http://example.org/' other:MotionPhoto='1'/>",
        (HEAD[3:].partition(b"\n")[2] + CLAIMS + b">" + TAIL).decode().encode("utf-16"),
    ],
)
def test_other_packets_come_back_as_they_are(packet: bytes) -> None:
    assert without_lost_parts(packet) == packet


@given(st.binary(max_size=6), st.integers(0, 600))
def test_any_bytes_come_back(noise: bytes, at: int) -> None:
    packet = HEAD + CLAIMS + b">" + DIRECTORY + ELEMENTS + TAIL
    damaged = packet[:at] + noise + packet[at + len(noise) :]
    assert len(without_lost_parts(damaged)) <= len(damaged)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b'<a tiff:Orientation="6" b="8">', b'<a tiff:Orientation="1" b="8">'),
        (b"<tiff:Orientation>3</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
        (b'<a tiff:Orientation="1">', b'<a tiff:Orientation="1">'),
        (b"<a/>", b"<a/>"),
    ],
)
def test_xmp_is_turned_upright_too(packet: bytes, expected: bytes) -> None:
    assert upright_xmp(packet) == expected
