"""Small clips made for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from ccnet.video import Restored

Pixels = NDArray[np.uint8]

RATE = 25


def photographs(count: int, size: tuple[int, int] = (64, 48), step: int = 1) -> list[Pixels]:
    """Frames (H, W, 3) of a camera that moves over a photograph, `step` pixels each time."""
    width, height = size
    whole = Image.fromarray(data.astronaut()).resize((width + step * count, height))
    picture = np.asarray(whole)
    return [np.ascontiguousarray(picture[:, step * i : step * i + width]) for i in range(count)]


def hazy(frames: Sequence[Pixels]) -> list[Pixels]:
    """An even veil that leaves three tenths of the contrast."""
    return [(frame * 0.3 + 150).astype(np.uint8) for frame in frames]


def write_clip(
    path: Path,
    frames: Sequence[Pixels],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    sound: str | None = "aac",
    rotation: int = 0,
    aspect: Fraction | None = None,
    colours: tuple[int, int, int, int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of 25 frames a second, or with frames at `times` in thousandths."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Clip"
        video = container.add_stream(codec, rate=RATE, options=options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pixels
        base = Fraction(1, RATE if times is None else 1000)
        video.codec_context.time_base = base
        if rotation:
            video.set_display_rotation(rotation)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if colours:
            context = video.codec_context
            context.color_primaries, context.color_trc = colours[:2]
            context.colorspace, context.color_range = colours[2:]
        tone = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for index, pixels_of in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels_of, format="rgb24")
            frame.pts, frame.time_base = index if times is None else times[index], base
            if colours:
                frame = frame.reformat(
                    format=pixels, dst_colorspace=colours[2], dst_color_range=colours[3]
                )
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if isinstance(tone, AudioStream):
            for packet in tone_packets(tone, len(frames) / RATE):
                container.mux(packet)
    return path


def tone_packets(sound: AudioStream, seconds: float) -> Iterator[list[av.Packet[AudioStream]]]:
    for index in range(int(seconds * 48_000 / 1024)):
        times = np.arange(index * 1024, (index + 1) * 1024, dtype=np.float32) / 48_000
        tone = av.AudioFrame.from_ndarray(np.sin(2765 * times)[None], "fltp", "mono")
        tone.sample_rate, tone.pts = 48_000, index * 1024
        yield sound.encode(tone)
    yield sound.encode(None)


def read_clip(path: Path, pixels: str = "rgb24") -> list[NDArray[np.generic]]:
    """Decode all frames to arrays."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


def times(path: Path) -> list[Fraction]:
    """When each frame is shown."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def packets(path: Path, kind: str) -> list[tuple[int | None, Fraction, bytes]]:
    """Packets of the streams of a kind: the stream, when, and what."""
    with av.open(str(path)) as container:
        assert isinstance(container, InputContainer)
        found = container.demux([stream for stream in container.streams if stream.type == kind])
        return [
            (each.stream.index, each.pts * each.time_base, bytes(each))
            for each in found
            if each.size and each.pts is not None
        ]


def difference(one: Path, other: Path) -> float:
    """The average difference of their samples, in levels of 255."""
    pairs = zip(read_clip(one), read_clip(other), strict=True)
    return float(np.mean([np.abs(np.subtract(a, b, dtype=float)).mean() for a, b in pairs]))


def whole(frames: int, size: tuple[int, int] = (64, 48)) -> Restored:
    """What is said of a clip of which nothing was lost."""
    return Restored(None, frames, frames * size[0] * size[1] / 1e6)
