"""Video files that are read: frames one after another, and packets of all else as they come."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ccnet.errors import PictureError

_OPTIONS = {
    # What looks like a clip may be a list of others, here or on some server.
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}

_MISSING = 0.1
"""A stream may end so many seconds and one frame earlier than its header says."""


class Clip:
    """A video file that is open; `open_clip` makes one.

    Attributes:
        path: The file.
        container: What PyAV makes of it.
        video: Its first video stream that is no cover picture.
        streams: All streams whose packets are looked at.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self.container = container
        videos = [stream for stream in container.streams.video if not is_cover(stream)]
        if not videos:
            raise PictureError(f"{path} holds no video.")
        self.video: VideoStream = videos[0]
        if self.video.codec_context is None or not self.video.width or not self.video.height:
            raise PictureError(f"{path} holds no video that can be decoded.")
        self.video.thread_type = "AUTO"
        self.streams: list[Stream] = list(container.streams)
        self._ends: dict[int, Fraction] = {}
        self._damaged = 0
        self._broke = False
        self._frames = -1

    @property
    def seconds(self) -> float | None:
        """How long it is, or None where the file does not say."""
        if self.video.duration and self.video.time_base:
            return float(self.video.duration * self.video.time_base)
        return self.container.duration / av.time_base if self.container.duration else None

    def frames(self) -> Iterator[VideoFrame]:
        """Give all frames that can be decoded."""
        for part in self._parts([self.video]):
            assert isinstance(part, VideoFrame)
            yield part

    def parts(self) -> Iterator[VideoFrame | Packet[Stream]]:
        """Give all frames that can be decoded, and between them packets of other streams."""
        return self._parts(self.streams)

    def _parts(self, streams: list[Stream]) -> Iterator[VideoFrame | Packet[Stream]]:
        packets = self.container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._broke = True
                packet = None
            if packet is None:
                if self._broke:
                    yield from self._decode(None)
                return
            if packet.size:
                self._note(packet)
            if packet.stream is self.video:
                yield from self._decode(packet)
            elif packet.size:
                yield packet

    def fault(self, refused: int = 0) -> str | None:
        """Say in a sentence what was missing or damaged in all that was read, if anything.

        `refused` are packets that could not be copied.
        """
        for expected, seen in self._lengths():
            if expected - seen > _MISSING + 1 / (self.video.average_rate or 1):
                return (
                    f"{self.path} is cut short or damaged: {float(seen):.2f} of "
                    f"{float(expected):.2f} seconds are there."
                )
        if self._broke:
            return f"{self.path} is damaged, and what follows the damage cannot be read."
        if damaged := self._damaged + refused:
            parts = "1 part" if damaged == 1 else f"{damaged} parts"
            return f"{self.path} is damaged: {parts} of it cannot be used."
        return None

    def _lengths(self) -> Iterator[tuple[Fraction, Fraction]]:
        """Give when streams should end by the file's header, and when they do, in seconds."""
        if self.video.duration is None:  # Matroska has one for all, from 0 on
            expected = Fraction(self.container.duration or 0, av.time_base)
            yield expected, max(self._ends.values(), default=Fraction(0))
            return
        for stream in (self.video, *self.container.streams.audio):
            length = stream.duration or 0
            if stream is self.video and self.container.format.name == "avi":
                length = stream.frames  # as its header says: FFmpeg corrects the duration
            base = stream.time_base or Fraction(0)
            end = self._ends.get(stream.index, Fraction(0))
            yield ((stream.start_time or 0) + length) * base, end

    def _decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        try:
            frames = self.video.decode(packet)
        except av.FFmpegError:
            self._damaged += 1
            return []
        if self.container.format.name == "avi":
            for frame in frames:
                self._set_time(frame)
        return frames

    def _set_time(self, frame: VideoFrame) -> None:
        """Give a frame the time at which it was decoded, in frames.

        AVI keeps the order of packets and no times of frames, and what FFmpeg makes up for those
        that wait for each other (B-frames of H.264) goes to and fro.
        """
        self._frames = self._frames + 1 if frame.dts is None else frame.dts
        frame.pts = self._frames

    def _note(self, packet: Packet[Stream]) -> None:
        self._damaged += packet.is_corrupt
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None and packet.time_base:
            end = (at + (packet.duration or 0)) * packet.time_base
            index = packet.stream.index
            self._ends[index] = max(end, self._ends.get(index, end))


@contextmanager
def open_clip(path: str | os.PathLike[str]) -> Iterator[Clip]:
    """Open a video file; raises PictureError where it cannot be read or holds no video."""
    path = Path(path)
    # A pipe gives once what is read several times. Path's own fail where a folder is closed.
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise PictureError(f"{path} is no file.")
    try:
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        reason = {av.FileNotFoundError: "is not there", av.PermissionError: "may not be read"}
        told = reason.get(type(error), "cannot be read as a video, or lacks its beginning or end")
        raise PictureError(f"{path} {told}.") from error
    with container:
        yield Clip(path, container)


def is_cover(stream: Stream) -> bool:
    """Whether a stream of video is a picture that players show for the file."""
    return bool(stream.disposition & Disposition.attached_pic)


def display_matrix(frame: VideoFrame) -> list[int] | None:
    """Give the 3 x 3 numbers by which players turn a frame, if any."""
    data = cast("bytes | None", frame.side_data.get("DISPLAYMATRIX"))
    return None if data is None else np.frombuffer(data, np.int32).tolist()


def quarter_turns(frame: VideoFrame) -> int:
    """Count the quarter turns, against the clock, that bring a frame upright."""
    return round(frame.rotation / 90) % 4
