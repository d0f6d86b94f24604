"""Frames to arrays and back, held against FFmpeg's own conversion."""

from __future__ import annotations

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from ccnet.video.planes import add_change, to_rgb

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuvj420p"]
MATRICES = [1, 5]  # BT.709 and BT.601 in H.273 and, as it happens, in swscale


def colours(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Strong ones, smooth enough that ways of halving chroma do not matter."""
    across, down = np.meshgrid(*(np.linspace(25, 230, length) for length in size))
    return np.rint(np.stack((across, down, 255 - across), 2)).astype(np.uint8)


def frame_of(
    pixels: str, size: tuple[int, int] = (64, 48), matrix: int = 1, full: bool = False
) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(colours(size), format="rgb24")
    spread = 2 if full or pixels.startswith("yuvj") else 1
    frame = rgb.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=spread)
    frame.colorspace, frame.color_range = matrix, spread
    return frame


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("pixels", FORMATS)
def test_a_frame_becomes_what_it_was_made_of(pixels: str, matrix: int, full: bool) -> None:
    found = to_rgb(frame_of(pixels, matrix=matrix, full=full))
    assert found.dtype == np.float32
    expected = colours((64, 48)) / 255
    assert np.abs(found - expected).mean() < 2 / 255
    assert np.abs(found - expected).max() < 12 / 255


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1, 1), (2, 5)])
@pytest.mark.parametrize("pixels", FORMATS)
def test_no_change_changes_no_sample(pixels: str, size: tuple[int, int]) -> None:
    frame = frame_of(pixels, size)
    before = [bytes(plane) for plane in frame.planes]
    add_change(frame, np.zeros((size[1], size[0], 3), np.float32))
    assert [bytes(plane) for plane in frame.planes] == before


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("pixels", FORMATS)
def test_a_change_arrives(pixels: str, matrix: int, full: bool, size: tuple[int, int]) -> None:
    frame = frame_of(pixels, size, matrix, full)
    before = to_rgb(frame)
    wanted = before * np.array([0.5, 0.7, 0.6], np.float32) + np.float32(0.1)
    add_change(frame, wanted - before)
    assert np.abs(to_rgb(frame) - wanted).mean() < 1 / 255
    assert np.abs(to_rgb(frame) - wanted).max() < 12 / 255


def test_ten_bits_hold_what_eight_cannot() -> None:
    frame = frame_of("yuv444p10le")
    before = to_rgb(frame)
    change = np.full_like(before, 0.4 / 255)
    add_change(frame, change)
    assert (to_rgb(frame) - before).mean() == pytest.approx(0.4 / 255, rel=0.35)


@pytest.mark.parametrize(
    ("matrix", "height", "red"),
    [
        (6, 480, (81, 90, 240)),
        (1, 480, (63, 102, 240)),
        (9, 480, (74, 97, 240)),
        (2, 480, (81, 90, 240)),  # not named: as is usual for the size
        (2, 720, (63, 102, 240)),
    ],
)
def test_pure_red(matrix: int, height: int, red: tuple[int, int, int]) -> None:
    """BT.601, BT.709 and BT.2020, as their luma and chroma are worked out by hand."""
    frame = av.VideoFrame(16, height, "yuv444p")
    for plane, value in zip(frame.planes, red, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.colorspace, frame.color_range = matrix, 0
    assert np.abs(to_rgb(frame)[5, 5] - [1, 0, 0]).max() < 0.01
