"""Video files that are written: frames encoded, and all else as it was in the source."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ccnet.video.clip import Clip, display_matrix
from ccnet.video.codecs import Encoder

_OF_THE_SOURCE = (
    *("major_brand", "minor_version", "compatible_brands", "encoder", "ENCODER"),
    *("DURATION", "BPS", "NUMBER_OF_", "_STATISTICS_"),
)
"""How metadata begin that are true of the source's file or video stream alone."""


class Writer:
    """Writes a clip's video anew and the rest as it is; `open_writer` makes one.

    Attributes:
        left_out: What the container cannot hold, a few words each.
        refused: How many packets made no sense, and were not copied.
    """

    def __init__(
        self,
        container: OutputContainer,
        clip: Clip,
        first: VideoFrame,
        encoder: Encoder,
        crf: int | None,
    ) -> None:
        self._container = container
        self._copies: dict[int, Stream] = {}
        self._last: int | None = None
        self.left_out: list[str] = []
        self.refused = 0
        container.metadata.update(_lasting(clip.container.metadata))
        container.set_chapters(clip.container.chapters())
        for stream in clip.streams:
            if stream.index == clip.video.index:
                self._video = _add_video(container, clip.video, first, encoder, crf)
                out: Stream = self._video
                out.metadata.update(_lasting(stream.metadata))
            elif _takes(container.format.name, stream):
                out = container.add_stream_from_template(stream)
                out.metadata.update(stream.metadata)
                self._copies[stream.index] = out
            else:
                # Chapters of MP4 and MOV are a stream, too.
                if not (stream.type == "data" and clip.container.chapters()):
                    codec = getattr(stream, "name", None) or "of an unknown codec"
                    self.left_out.append(f"{stream.type} {codec}")
                continue
            out.disposition = stream.disposition

    def copy(self, packet: Packet[Stream]) -> None:
        """Write a packet of another stream as it is, unless its time makes no sense."""
        out = self._copies.get(packet.stream.index)
        if out is not None:
            packet.stream = out
            try:
                self._container.mux(packet)
            except av.ArgumentError:  # it goes back in time
                self.refused += 1

    def encode(self, frame: VideoFrame) -> None:
        """Write a frame, at its own time."""
        base = self._video.codec_context.time_base
        at = frame.pts if frame.pts is not None else frame.dts
        if at is None or (self._last is not None and at <= self._last):
            step = 1 if at is not None else round(1 / (self._video.codec_context.framerate * base))
            at = 0 if self._last is None else self._last + max(1, step)
        self._last = frame.pts = at
        frame.pict_type = 0  # the source's choice of key frames is no business of the encoder
        self._container.mux(self._video.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._video.encode(None))


@contextmanager
def open_writer(
    path: Path, clip: Clip, container: str, first: VideoFrame, encoder: Encoder, crf: int | None
) -> Iterator[Writer]:
    """Open a file of one of `CONTAINERS` to write a clip anew.

    `first` is its first frame, in the format to encode in. Raises OSError or ValueError where the
    file cannot be written, as all methods of the writer do.
    """
    # Keys such as com.apple.quicktime.make need another form of metadata, which fewer players read.
    foreign = container in ("mp4", "mov") and any("." in key for key in clip.container.metadata)
    options = {"movflags": "use_metadata_tags"} if foreign else {}
    with av.open(f"file:{path}", "w", format=container, container_options=options) as opened:
        writer = Writer(opened, clip, first, encoder, crf)
        yield writer
        writer.finish()


def _add_video(
    container: OutputContainer,
    source: VideoStream,
    first: VideoFrame,
    encoder: Encoder,
    crf: int | None,
) -> VideoStream:
    rate = source.average_rate or source.guessed_rate or Fraction(25)
    options = {**encoder.options, "crf": str(encoder.crf if crf is None else crf)}
    video = container.add_stream(encoder.name, rate=rate, options=options)
    assert isinstance(video, VideoStream)
    base = source.time_base or 1 / rate
    video.time_base = base
    context = video.codec_context
    context.time_base = base
    context.width, context.height = first.width, first.height
    context.pix_fmt = first.format.name
    if source.sample_aspect_ratio:
        context.sample_aspect_ratio = source.sample_aspect_ratio
    context.color_range, context.colorspace = first.color_range, first.colorspace
    context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
    context.flags |= Flags.frame_duration
    if encoder.name == "libx265" and container.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # the one of two names that Apple's players take
    video.set_display_matrix(display_matrix(first))
    return video


def _takes(container: str, stream: Stream) -> bool:
    """Whether a container can hold a stream: FFmpeg only says so when it writes the header."""
    if stream.type == "data":  # timecodes and chapters' names, which are written anew
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _lasting(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if not key.startswith(_OF_THE_SOURCE)}
