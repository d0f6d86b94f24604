"""What videos are written with: containers, encoders and pixel formats."""

from __future__ import annotations

import os
from typing import NamedTuple

from av import Codec, VideoFormat
from av.codec.codec import UnknownCodecError

from ccnet.errors import PictureError, UsageError
from ccnet.video.planes import PLANAR

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""FFmpeg's names of those that are written, by suffix."""


os.environ.setdefault("SVT_LOG", "1")  # errors only: the encoder of AV1 tells of itself else


class Encoder(NamedTuple):
    """An encoder of FFmpeg's, its quality (lower is better) and the worst that it has."""

    name: str
    crf: int
    worst: int
    options: dict[str, str]


ENCODERS = {
    "h264": Encoder("libx264", 18, 51, {}),
    "hevc": Encoder("libx265", 20, 51, {"x265-params": "log-level=error"}),
    "vp9": Encoder("libvpx-vp9", 24, 63, {"row-mt": "1", "cpu-used": "3"}),
    "av1": Encoder("libsvtav1", 24, 63, {"preset": "8"}),
}
"""By codec; each in the quality that is taken for the source's by eye."""

_WEBM = ("vp9", "av1")

_EVEN = ("libx264", "libx265")
"""Encoders that take no odd sizes where chroma is halved."""


def check_choice(codec: str | None, crf: int | None) -> None:
    """Raise UsageError for a codec or a quality that there is not."""
    if codec is not None and codec not in ENCODERS:
        raise UsageError(f"codec={codec} is none of {', '.join(ENCODERS)}.")
    check_quality(crf, max(ENCODERS[name].worst for name in ([codec] if codec else ENCODERS)))


def check_quality(crf: int | None, worst: int) -> None:
    """Raise UsageError for a quality beyond the worst that an encoder has."""
    if crf is not None and not 0 <= crf <= worst:
        raise UsageError(f"crf={crf} must be from 0, the best, to {worst}.")


def choose_encoding(
    source: str, pixels: VideoFormat, container: str, codec: str | None
) -> tuple[Encoder, str]:
    """Choose an encoder and a pixel format that lose nothing of a video's depth, if there are such.

    Args:
        source: FFmpeg's name of the video's codec, which is taken again where it can be written.
        pixels: The video's pixel format, with its width and height.
        container: One of `CONTAINERS`.
        codec: What is asked for instead, one of `ENCODERS`.

    Raises:
        PictureError: FFmpeg was built without the encoder, or the container does not take it.
    """
    bits = max(component.bits for component in pixels.components)
    likely = _WEBM if container == "webm" else ("hevc", "h264") if bits > 8 else ("h264", "hevc")
    names = [codec] if codec else [name for name in (source, *likely) if name in ENCODERS]
    if container == "webm":
        names = [name for name in names if name in _WEBM]
    found = [
        (
            max(0, bits - form.components[0].bits),
            place,
            abs(_halved(form) - _halved(pixels)),
            form.name != pixels.name,
            form.components[0].bits,
            form.name,
        )
        for place, name in enumerate(names)
        for form in _formats(ENCODERS[name].name, pixels.width, pixels.height)
    ]
    if not found:
        refuses = "WebM holds no" if container == "webm" else "This FFmpeg writes no"
        raise PictureError(f"{refuses} {codec or source}; choose another codec.")
    _, place, *_, name = min(found)
    return ENCODERS[names[place]], name


def _formats(encoder: str, width: int, height: int) -> list[VideoFormat]:
    """List the formats among `PLANAR` that an encoder takes for a size."""
    try:
        formats = Codec(encoder, "w").video_formats or []
    except UnknownCodecError:
        return []
    fitting = [
        VideoFormat(form.name, width, height) for form in formats if PLANAR.fullmatch(form.name)
    ]
    if encoder in _EVEN:
        fitting = [
            form
            for form in fitting
            if form.chroma_width() * 2 != width + 1 and form.chroma_height() * 2 != height + 1
        ]
    return fitting


def _halved(form: VideoFormat) -> int:
    """In how many directions a format has half of the chroma samples; gray counts as 4:2:0."""
    if form.is_rgb:
        return 0
    if len(form.components) < 3:
        return 2
    return (form.chroma_width(64) < 64) + (form.chroma_height(64) < 64)
