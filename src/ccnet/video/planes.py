"""Frames to arrays, and what is changed back into their planes.

Only the change goes back, as with pictures: a frame that restoring leaves alone keeps its samples,
and what a conversion to RGB and back would round, clip or blur in the colours is never written.
"""

from __future__ import annotations

import re

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from ccnet.video.steady import Floats

PLANAR = re.compile(r"yuvj?4(?:44|22|20)p(?:(10|12)le)?")
"""The pixel formats that are written: luma and two chroma planes of 8, 10 or 12 bits."""

_MATRICES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Weights of red and blue in luma, by H.273's number of the matrix: BT.709, FCC, SMPTE 240M and
BT.2020; the others that occur in files are BT.601's."""
_BT601 = (0.299, 0.114)

HD = 720
"""Lines from which on a matrix that is not named is taken for BT.709's, as players do."""

_UNSPECIFIED = 2
_FULL = 2


def to_rgb(frame: VideoFrame) -> Floats:
    """Convert a frame whose format is one of `PLANAR` to a new (H, W, 3) in [0, 1]."""
    whole = frame.reformat(format=re.sub("4(22|20)p", "444p", frame.format.name))
    red, blue = _weights(frame)
    (black, luma), (middle, chroma) = _scales(frame)
    y, cb, cr = (_samples(whole, index).astype(np.float32) for index in range(3))
    rgb = np.empty((frame.height, frame.width, 3), np.float32)
    y = (y - black) / luma
    rgb[:, :, 0] = y + (cr - middle) * (2 * (1 - red) / chroma)
    rgb[:, :, 2] = y + (cb - middle) * (2 * (1 - blue) / chroma)
    rgb[:, :, 1] = (y - red * rgb[:, :, 0] - blue * rgb[:, :, 2]) / (1 - red - blue)
    return rgb.clip(0, 1, out=rgb)


def add_change(frame: VideoFrame, change: Floats) -> None:
    """Add to a frame of one of `PLANAR` what `to_rgb` gives of it changes by, (H, W, 3)."""
    frame.make_writable()  # the decoder may still look at it
    red, blue = _weights(frame)
    (_, luma), (_, chroma) = _scales(frame)
    y = change @ np.array([red, 1 - red - blue, blue], np.float32)
    planes = (
        y * luma,
        (change[:, :, 2] - y) * (chroma / (2 * (1 - blue))),
        (change[:, :, 0] - y) * (chroma / (2 * (1 - red))),
    )
    for index, plane in enumerate(planes):
        samples = _samples(frame, index)
        changed = samples + _reduced(plane, samples.shape)
        samples[:] = np.rint(changed).clip(0, 2 ** _bits(frame) - 1)


def _samples(frame: VideoFrame, index: int) -> NDArray[np.uint8 | np.uint16]:
    """View a plane of a frame as (h, w)."""
    plane = frame.planes[index]
    kind = np.dtype("u1" if _bits(frame) == 8 else "<u2")
    lines: NDArray[np.uint8 | np.uint16] = np.frombuffer(memoryview(plane), kind).reshape(
        plane.height, -1
    )
    return lines[:, : plane.width]


def _reduced(plane: Floats, shape: tuple[int, ...]) -> Floats:
    """Average (H, W) over the 1 or 2 lines and columns that each sample of (h, w) stands for."""
    if plane.shape[0] != shape[0]:
        plane = _halved(plane)
    return plane if plane.shape[1] == shape[1] else _halved(plane.T).T


def _halved(lines: Floats) -> Floats:
    """Average each two lines; where their number is odd, the last stays alone."""
    halved: Floats = lines[::2].copy()
    second = lines[1::2]
    halved[: len(second)] += second
    halved[: len(second)] *= 0.5
    return halved


def _weights(frame: VideoFrame) -> tuple[float, float]:
    if frame.colorspace == _UNSPECIFIED and frame.height >= HD:
        return _MATRICES[1]
    return _MATRICES.get(frame.colorspace, _BT601)


def _scales(frame: VideoFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give for luma and chroma the sample that stands for 0, and how many stand for 1."""
    bits = _bits(frame)
    middle = float(1 << (bits - 1))
    if frame.color_range == _FULL or frame.format.name.startswith("yuvj"):
        largest = float((1 << bits) - 1)
        return (0.0, largest), (middle, largest)
    step = float(1 << (bits - 8))
    return (16 * step, 219 * step), (middle, 224 * step)


def _bits(frame: VideoFrame) -> int:
    return frame.format.components[0].bits
