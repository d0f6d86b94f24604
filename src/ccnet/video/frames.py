"""The frames of a clip: read, restored and written in a thread for each.

So a GPU need not wait while the processor decodes, converts and encodes. Frames go in runs: of one,
or of as many as an engine is best given together. At most three runs are held, one of each stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np
from av import VideoFrame
from av.packet import Packet
from av.stream import Stream
from av.video.reformatter import Colorspace

from ccnet.restoration import Restorer
from ccnet.video.clip import Clip, quarter_turns
from ccnet.video.planes import HD, add_change, to_rgb
from ccnet.video.steady import Floats, Steady
from ccnet.video.writer import Writer

FrameProgress: TypeAlias = Callable[[int, float | None], object]
"""Told how many frames are done, and their share of all in (0, 1], or None if nobody knows."""

_LINES = 320
"""The line of a comparison is this part of the width."""

_PARTS = 100
"""A run ends after so many frames and packets, for other streams may go on without video."""


class _Run(NamedTuple):
    """Frames with the packets of other streams between them, and the frames as arrays."""

    parts: list[VideoFrame | Packet[Stream]]
    pictures: list[Floats]
    shares: list[float | None]


def restore_frames(
    clip: Clip,
    writer: Writer,
    first: VideoFrame,
    model: Restorer | None,
    *,
    compare: bool,
    progress: FrameProgress | None,
) -> int:
    """Restore a clip's frames into a writer, copy the rest of it, and count the frames.

    Args:
        clip: At its beginning.
        writer: Where to.
        first: A frame as the writer takes them.
        model: None changes nothing.
        compare: Whether to leave the left half as it was.
        progress: Called after each frame.
    """
    done, steady = 0, Steady()
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
        runs = _runs(clip, first, model)
        leaving: Future[object] = writing.submit(bool)
        coming = reading.submit(next, runs, None)
        while (run := coming.result()) is not None:
            coming = reading.submit(next, runs, None)
            restored = model.restore_batch(run.pictures) if model is not None else []
            leaving.result()
            leaving = writing.submit(_write, writer, run, restored, steady, compare)
            for share in run.shares:
                done += 1
                if progress:
                    progress(done, share)
        leaving.result()
    return done


def _runs(clip: Clip, first: VideoFrame, model: Restorer | None) -> Iterator[_Run]:
    most = 1 if model is None else model.batch_size(first.height, first.width)
    run = _Run([], [], [])
    for part in clip.parts():
        if isinstance(part, VideoFrame):
            part = in_format(part, first.format.name, first.width, first.height)
            run.shares.append(_share(clip, part))
            if model is not None:
                run.pictures.append(upright(part))
        run.parts.append(part)
        if len(run.shares) == most or len(run.parts) == _PARTS:
            yield run
            run = _Run([], [], [])
    yield run


def _write(
    writer: Writer, run: _Run, restored: list[Floats], steady: Steady, compare: bool
) -> None:
    for part in run.parts:
        if not isinstance(part, VideoFrame):
            writer.copy(part)
            continue
        if restored:
            before, change = run.pictures.pop(0), restored.pop(0)
            change -= before
            change = steady(before, change, part.time or 0.0)
            if compare:
                _show_both(before, change)
            add_change(part, np.rot90(change, -quarter_turns(part)))
        writer.encode(part)


def _show_both(before: Floats, change: Floats) -> None:
    """Leave the left half of a frame as it was, and draw a white line between the halves."""
    width = before.shape[1]
    middle, line = width // 2, max(1, width // _LINES)
    change[:, :middle] = 0
    between = np.s_[:, middle - line // 2 : middle - line // 2 + line]
    change[between] = 1 - before[between]


def upright(frame: VideoFrame) -> Floats:
    """Give a frame as players show it; the models know photographs, whose sky is above."""
    return np.ascontiguousarray(np.rot90(to_rgb(frame), quarter_turns(frame)))


def in_format(
    frame: VideoFrame, pixels: str, width: int | None = None, height: int | None = None
) -> VideoFrame:
    """Convert a frame to a pixel format, and to a size where that changes in the middle."""
    if frame.format.is_rgb:
        matrix = Colorspace.ITU709 if frame.height >= HD else Colorspace.ITU601
        return frame.reformat(width, height, pixels, dst_colorspace=matrix)
    converted = frame.reformat(width, height, pixels)
    converted.colorspace = frame.colorspace  # for which PyAV may write an equal one
    return converted


def _share(clip: Clip, frame: VideoFrame) -> float | None:
    if not clip.seconds or frame.time is None:
        return None
    start = float((clip.video.start_time or 0) * (clip.video.time_base or 0))
    return min(1.0, max(0.0, (frame.time - start) / clip.seconds))
