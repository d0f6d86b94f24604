"""EXIF: kept byte for byte, but for what a restored picture makes untrue.

libvips would pass EXIF through libexif, which rewrites it and loses makers' notes, and leaves out
the EXIF of TIFF files altogether; so the block is carried here. Tag numbers are those of EXIF 2.32.
"""

from __future__ import annotations

import struct

from ccnet.images.tiff import (
    LONG,
    SHORT,
    UNDEFINED,
    Directory,
    Field,
    Tags,
    append_directory,
    in_order,
    tags_of,
)

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_RESOLUTION_UNIT, _IPTC = 296, 33723
_EXIF, _GPS, _INTEROPERABILITY = 34665, 34853, 40965
_PIXEL_WIDTH, _PIXEL_HEIGHT = 40962, 40963
_POINTERS = ({_EXIF, _GPS}, {_INTEROPERABILITY}, set[int]())  # to further directories, by depth
_ALL_POINTERS = set[int]().union(*_POINTERS)
# What describes the photograph in a TIFF file's own directory: description, maker, model, software,
# date, artist, host computer, rating, copyright and Windows's title, comment, author and so on.
_DESCRIPTIONS = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
_PREFIX = b"Exif\0\0"


def upright_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """Make EXIF tell of the upright picture, changing nothing else.

    Orientation becomes 1 and the sizes those given. The link to the embedded thumbnail, which shows
    the picture before its restoration, is cut.

    Args:
        exif: An EXIF block, with or without the "Exif" prefix that JPEG gives it.
        width: The upright picture's width in pixels.
        height: Its height.

    Returns:
        The block without the prefix; None where it is too broken to be changed.
    """
    exif = exif.removeprefix(_PREFIX)
    blob = bytearray(exif)
    try:
        tags = tags_of(exif)
        directories = _directories(tags)
    except ValueError:
        return None
    sizes = {_WIDTH: width, _HEIGHT: height, _PIXEL_WIDTH: width, _PIXEL_HEIGHT: height}
    for directory in directories:
        for tag, field in directory.fields.items():
            if tag == _ORIENTATION:
                entry = struct.pack(f"{tags.order}HHIHH", tag, SHORT, 1, 1, 0)
                blob[field.entry : field.entry + 12] = entry
            elif tag in sizes:
                entry = struct.pack(f"{tags.order}HHII", tag, LONG, 1, sizes[tag])
                blob[field.entry : field.entry + 12] = entry
    link = directories[0].link
    blob[link : link + 4] = bytes(4)
    upright = bytes(blob)
    try:
        _directories(tags_of(upright))  # an entry may have lain over where a directory begins
    except ValueError:
        return None
    return upright


def _directories(tags: Tags) -> list[Directory]:
    """Read a block's main directory and EXIF's own; raises ValueError where one is broken."""
    main = tags.directory(tags.first)
    return [main, *map(tags.directory, tags.numbers(main.fields.get(_EXIF))[:1])]


def exif_of_tiff(tags: Tags) -> bytes | None:
    """Gather what a TIFF file says of its photograph into an EXIF block; None if nothing."""
    blob = bytearray(b"II*\0\0\0\0\0" if tags.order == "<" else b"MM\0*\0\0\0\0")
    fields = _moved(_kept(tags), tags, blob, tags.order)
    if not fields:
        return None
    blob[4:8] = struct.pack(f"{tags.order}I", append_directory(blob, fields, tags.order))
    return bytes(blob)


def tiff_with_tags(
    data: bytes, exif: bytes | None, iptc: bytes | None, *, resolution: bool
) -> bytes:
    """Put what libvips leaves out into a TIFF file, whose directory is written anew at its end.

    That is an EXIF block's tags, IPTC, and that the file names no `resolution`, for which libvips
    makes one up. A BigTIFF, which is written from 3 GB of pixels up, is left as it is.
    """
    target = tags_of(data)
    if target.big or (exif is None and iptc is None and resolution):
        return data
    blob, fields = bytearray(data), target.directory(target.first).fields
    if exif is not None:
        source = tags_of(exif)
        added = {tag: field for tag, field in _kept(source).items() if tag not in fields}
        fields |= _moved(added, source, blob, target.order)
    if iptc is not None:
        fields[_IPTC] = Field(UNDEFINED, len(iptc), iptc, 0)
    if not resolution:
        no_unit = struct.pack(f"{target.order}H", 1)
        fields[_RESOLUTION_UNIT] = Field(SHORT, 1, no_unit, 0)
    blob[4:8] = struct.pack(f"{target.order}I", append_directory(blob, fields, target.order))
    return bytes(blob)


def _kept(tags: Tags) -> dict[int, Field]:
    """The fields of a file's first directory that describe its photograph."""
    fields = tags.directory(tags.first).fields
    return {tag: field for tag, field in fields.items() if tag in _DESCRIPTIONS | _POINTERS[0]}


def _moved(
    fields: dict[int, Field], source: Tags, blob: bytearray, order: str, depth: int = 0
) -> dict[int, Field]:
    """Bring fields into another file: values in its byte order, directories they point to appended.

    A pointer to a broken directory is left out.
    """
    moved = {}
    for tag, field in fields.items():
        if tag not in _ALL_POINTERS:
            moved[tag] = in_order(field, source.order, order)
        elif tag in _POINTERS[depth]:
            try:
                children = source.directory(source.numbers(field)[0]).fields
            except (ValueError, IndexError):
                continue
            children = _moved(children, source, blob, order, depth + 1)
            at = append_directory(blob, children, order)
            moved[tag] = Field(LONG, 1, struct.pack(f"{order}I", at), 0)
    return moved
