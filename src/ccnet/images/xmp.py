"""XMP: kept byte for byte, but for the orientation and what it says of parts that are lost.

Phones append a short video or a gain map for HDR screens to a JPEG file. An XMP packet that went on
telling of it would make viewers look for what is not there. Names are those of Android's Motion
Photo and Ultra HDR formats, and of the Micro Video format before them.
"""

from __future__ import annotations

import re
from xml.parsers import expat

_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_CONTAINER = "http://ns.google.com/photos/1.0/container/"
_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_VIDEOS = ("MotionPhoto", "MicroVideo")  # and what begins so, as MicroVideoOffset
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_TAG_END = re.compile(rb"\s*(/?)>")


def upright_xmp(xmp: bytes) -> bytes:
    """Set the orientation that an XMP packet may repeat to 1."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def without_lost_parts(xmp: bytes) -> bytes:
    """Take out of an XMP packet what tells of an appended video or gain map.

    A packet that is no XML comes back as it is.
    """
    cuts = _Cuts(xmp)
    try:
        cuts.find()
    except (expat.ExpatError, LookupError, ValueError):  # LookupError: an unknown encoding
        return xmp
    kept, at = [], 0
    for start, end in cuts.found:
        kept.append(xmp[at:start])
        at = end
    return b"".join([*kept, xmp[at:]])


class _Cuts:
    """Finds the bytes of a packet, first to last, that tell of lost parts."""

    def __init__(self, xmp: bytes) -> None:
        self.found: list[tuple[int, int]] = []
        self._xmp = xmp
        self._depth = 0  # within an element that is cut, from 1 on
        self._start = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse

    def find(self) -> None:
        self._parser.Parse(self._xmp.rstrip(b"\0"), True)

    def _begin(self, name: str, attributes: list[str]) -> None:
        if self._depth:
            self._depth += 1
        elif _is_lost(name):
            self._depth, self._start = 1, self._parser.CurrentByteIndex
        else:
            self._cut_attributes(attributes[::2])

    def _end(self, _: str) -> None:
        if not self._depth:
            return
        self._depth -= 1
        if self._depth == 0:
            self.found.append((self._start, self._end_of_tag()))

    def _end_of_tag(self) -> int:
        """Give where the element that ends here does; one without content ends where it is."""
        at = self._parser.CurrentByteIndex
        _, own_end, empty = self._tag(self._start)
        return own_end if empty else self._xmp.index(b">", at) + 1

    def _cut_attributes(self, names: list[str]) -> None:
        if not any(map(_is_lost, names)):
            return
        places, _, _ = self._tag(self._parser.CurrentByteIndex)
        for name, place in zip(names, places, strict=True):
            if _is_lost(name):
                self.found.append(place)

    def _tag(self, at: int) -> tuple[list[tuple[int, int]], int, bool]:
        """Give a tag's attributes, less names of namespaces, its end, and whether it is empty."""
        places = []
        at = _matched(_TAG_NAME.match(self._xmp, at)).end()
        while attribute := _ATTRIBUTE.match(self._xmp, at):
            if attribute[1].partition(b":")[0] != b"xmlns":
                places.append(attribute.span())
            at = attribute.end()
        end = _matched(_TAG_END.match(self._xmp, at))
        return places, end.end(), end[1] == b"/"

    def _refuse(self, *_: object) -> None:
        """Read no packet that defines entities, which could be made to grow without end."""
        raise ValueError("a document type")


def _is_lost(name: str) -> bool:
    space, _, local = name.rpartition(" ")
    if space == _CAMERA:
        return local.startswith(_VIDEOS)
    return space == _GAIN_MAP or (space, local) == (_CONTAINER, "Directory")


def _matched(match: re.Match[bytes] | None) -> re.Match[bytes]:
    if match is None:  # in an encoding whose characters are not ASCII's bytes
        raise ValueError("no tag")
    return match
