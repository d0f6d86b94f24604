"""What videos are written with."""

from __future__ import annotations

import pytest
from av import VideoFormat

from ccnet.errors import PictureError, UsageError
from ccnet.video.codecs import check_choice, choose_encoding


@pytest.mark.parametrize(
    ("source", "pixels", "container", "asked", "expected"),
    [
        ("h264", "yuv420p", "mp4", None, ("libx264", "yuv420p")),
        ("h264", "yuv420p10le", "matroska", None, ("libx264", "yuv420p10le")),
        ("hevc", "yuv420p10le", "mov", None, ("libx265", "yuv420p10le")),
        ("hevc", "yuv420p12le", "mov", None, ("libx265", "yuv420p12le")),
        ("hevc", "yuv420p12le", "mov", "h264", ("libx264", "yuv420p10le")),
        ("vp9", "yuv420p", "webm", None, ("libvpx-vp9", "yuv420p")),
        ("vp9", "yuv420p10le", "webm", None, ("libsvtav1", "yuv420p10le")),
        ("av1", "yuv420p10le", "mp4", None, ("libsvtav1", "yuv420p10le")),
        ("vp8", "yuv420p", "webm", None, ("libvpx-vp9", "yuv420p")),
        ("vp8", "yuv420p", "mp4", None, ("libx264", "yuv420p")),
        ("h264", "yuv420p", "webm", None, ("libvpx-vp9", "yuv420p")),
        ("h264", "yuv420p", "mp4", "av1", ("libsvtav1", "yuv420p")),
        ("h264", "nv12", "mp4", None, ("libx264", "yuv420p")),
        ("h264", "gray", "mp4", None, ("libx264", "yuv420p")),
        ("mjpeg", "yuvj422p", "matroska", None, ("libx264", "yuvj422p")),
        ("prores", "yuv422p10le", "mov", None, ("libx265", "yuv422p10le")),
        ("ffv1", "bgr0", "matroska", None, ("libx264", "yuv444p")),
        ("rawvideo", "bgr24", "matroska", "vp9", ("libvpx-vp9", "yuv444p")),
    ],
)
def test_the_sources_own_where_it_can_be_written_and_depth_before_all(
    source: str, pixels: str, container: str, asked: str | None, expected: tuple[str, str]
) -> None:
    encoder, found = choose_encoding(source, VideoFormat(pixels, 64, 48), container, asked)
    assert (encoder.name, found) == expected


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [
        ("h264", (63, 48), ("libx264", "yuv444p")),
        ("h264", (64, 47), ("libx264", "yuv422p")),
        ("vp9", (63, 47), ("libvpx-vp9", "yuv420p")),
    ],
)
def test_odd_sizes_take_more_chroma_where_halves_cannot_be_odd(
    source: str, size: tuple[int, int], expected: tuple[str, str]
) -> None:
    encoder, found = choose_encoding(source, VideoFormat("yuv420p", *size), "matroska", None)
    assert (encoder.name, found) == expected


def test_webm_holds_no_h264() -> None:
    with pytest.raises(PictureError, match="WebM holds no h264"):
        choose_encoding("vp9", VideoFormat("yuv420p", 64, 48), "webm", "h264")


@pytest.mark.parametrize(
    ("codec", "crf", "words"), [("x", None, "codec=x"), ("h264", 52, "to 51"), (None, 64, "to 63")]
)
def test_wrong_choices(codec: str | None, crf: int | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_choice(codec, crf)
