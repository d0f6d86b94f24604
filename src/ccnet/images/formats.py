"""The five formats: their names, how their first bytes look, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 64  # enough of a file for format_of() and describe_other()


@dataclass(frozen=True)
class Format:
    """What a picture format can hold.

    Attributes:
        title: The name people write, for example "JPEG".
        suffixes: File suffixes, the usual one first.
        spaces: Colour spaces it can hold, of "gray", "rgb" and "cmyk".
        bits: Bits per sample that it can hold, in rising order.
        alpha: Whether it can hold transparency.
        longest_side: The largest width and height in pixels.
    """

    title: str
    suffixes: tuple[str, ...]
    spaces: tuple[str, ...]
    bits: tuple[int, ...]
    alpha: bool
    longest_side: int


FORMATS = {
    "jpeg": Format(
        "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("gray", "rgb", "cmyk"), (8,), False, 65_500
    ),
    "png": Format("PNG", (".png",), ("gray", "rgb"), (8, 16), True, 2**31 - 1),
    "webp": Format("WebP", (".webp",), ("rgb",), (8,), True, 16_383),
    "tiff": Format("TIFF", (".tif", ".tiff"), ("gray", "rgb", "cmyk"), (8, 16), True, 2**31 - 1),
    "avif": Format("AVIF", (".avif",), ("rgb",), (8, 10, 12), True, 16_384),
}
NAMES = "JPEG, PNG, WebP, TIFF or AVIF"

OTHER_SUFFIXES = (
    *(".gif", ".bmp", ".heic", ".heif", ".jxl", ".jp2", ".psd"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
"""Of pictures in formats that people often have and that are not read or written here."""

_BY_SUFFIX = {suffix: name for name, held in FORMATS.items() for suffix in held.suffixes}

# Formats that people often have and that are not read here: a plain sentence helps them on.
_OTHERS = {
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 picture",
    b"FUJIFILM": "a camera's raw file",
    b"IIRO": "a camera's raw file",
    b"IIU\x00": "a camera's raw file",
}
_OTHER_BRANDS = {
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"hevc": "a HEIC sequence",
    b"mif1": "a HEIF picture",
    b"avis": "an animated AVIF",
    b"crx ": "a camera's raw file",
    b"mp42": "a video",
    b"isom": "a video",
    b"qt  ": "a video",
}


def format_of(head: bytes) -> str | None:
    """Tell a file's format, a key of FORMATS, from its first HEAD_BYTES bytes."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff" if head[8:10] != b"CR" else None  # Canon's raw files
    if b"avif" in _brands(head) and head[8:12] != b"avis":
        return "avif"
    return None


def describe_other(head: bytes) -> str | None:
    """Name a well-known kind of file that is not read here, for example "a GIF picture"."""
    for start, name in _OTHERS.items():
        if head.startswith(start):
            return name
    return next((_OTHER_BRANDS[brand] for brand in _brands(head) if brand in _OTHER_BRANDS), None)


def format_of_suffix(path: Path) -> str | None:
    """Tell the format, a key of FORMATS, that a path's suffix asks for."""
    return _BY_SUFFIX.get(path.suffix.lower())


def format_named(name: str) -> str | None:
    """Tell the format, a key of FORMATS, by its name or suffix: "jpeg", "JPG" and ".jpg" alike."""
    name = name.lower().removeprefix(".")
    return name if name in FORMATS else _BY_SUFFIX.get(f".{name}")


def _brands(head: bytes) -> list[bytes]:
    """List the brands of an ISO base media file, the main one first (ISO/IEC 14496-12, 4.3)."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
