"""Restoring a video file into another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
from av import VideoFormat, VideoFrame

from ccnet.errors import PictureError, UsageError, reason_of
from ccnet.placing import placed, taken
from ccnet.restoration import AutoRestorer, Restorer
from ccnet.restoration.automatic import Outcome, make_restorer
from ccnet.restoration.results import make_folder
from ccnet.video.clip import Clip, open_clip
from ccnet.video.codecs import CONTAINERS, Encoder, check_choice, check_quality, choose_encoding
from ccnet.video.frames import FrameProgress, in_format, restore_frames, upright
from ccnet.video.writer import open_writer

if TYPE_CHECKING:
    from ccnet.network import CCNet

_LOOKED_AT = 5
"""Frames, spread over a clip, by which it is recognised what is wrong with it."""


class Restored(NamedTuple):
    """What became of a video.

    Attributes:
        outcome: What it was taken for, where nobody said it, and what restored it.
        frames: How many were written; 0 where the file was copied or nothing was written.
        megapixels: Of all these frames together.
        fault: A sentence on what of the source was missing or damaged; the rest is restored.
        left_out: Streams that the result's container cannot hold, a few words each.
        lost: What frames lose in the format that they are encoded in, a few words each.
    """

    outcome: Outcome | None
    frames: int = 0
    megapixels: float = 0.0
    fault: str | None = None
    left_out: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def restore_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    task: str = "auto",
    *,
    model: str | os.PathLike[str] | CCNet | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    tile: str | int = "auto",
    strength: float = 1.0,
    ensemble: bool = False,
    size: str | None = None,
    codec: str | None = None,
    crf: int | None = None,
    compare: bool = False,
    overwrite: bool = False,
    progress: FrameProgress | None = None,
) -> Restored:
    """Restore a video file into another, with its sound, subtitles, chapters and metadata.

    Args:
        source: An MP4, MOV, Matroska, WebM or AVI file.
        target: Where to; it is written whole or not at all. Its suffix is .mp4, .m4v, .mov, .mkv
            or .webm.
        task: What to take away: "dehaze", "deblur" or "desnow"; "auto" recognises it on some frames
            and copies a clear video as it is, or encodes it anew in another container.
        model: As for `ccnet.restore`, like all down to `size`.
        engine: What runs the model.
        device: Where to compute.
        precision: What in.
        tile: The size of tiles.
        strength: How much of the restoration to take, from 0 to 1.
        ensemble: Whether to take the mean with the mirror image's.
        size: Which of a task's models.
        codec: "h264", "hevc", "vp9" or "av1"; by default the source's, where it can be written.
        crf: The encoder's constant quality: lower is better and larger.
        compare: Whether to write the source's left half beside the result's right half.
        overwrite: Whether to replace a target that is there.
        progress: Called after each frame.

    Returns:
        What was done, and in `fault` what of a cut or damaged source is not there.

    Raises:
        PictureError: The source cannot be read or the target not be written, which names it.
        UsageError: An argument has none of these values.
        WeightsError: There is no such model, or its file is broken.
    """
    chosen = None if task == "auto" else task
    restorer = make_restorer(
        chosen if model is None else model,
        engine=engine,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        ensemble=ensemble,
        size=size,
    )
    return restore_clip(
        restorer,
        source,
        target,
        codec=codec,
        crf=crf,
        compare=compare,
        overwrite=overwrite,
        progress=progress,
    )


def restore_clip(
    restorer: Restorer | AutoRestorer,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    codec: str | None = None,
    crf: int | None = None,
    compare: bool = False,
    overwrite: bool = False,
    leave_clear: bool = False,
    progress: FrameProgress | None = None,
) -> Restored:
    """Restore a video file with what is loaded; see `restore_video`.

    With `leave_clear` nothing is written for a clear one, and else it is copied byte for byte,
    or only encoded anew where another container, a codec, a quality or a comparison is asked for.
    """
    source, target = Path(source), Path(target)
    if target.suffix.lower() not in CONTAINERS:
        there = ", ".join(CONTAINERS)
        raise UsageError(f"{target} is no name that a video is written under: take {there}.")
    check_choice(codec, crf)
    if not overwrite and os.path.lexists(target):
        raise PictureError(taken(target))
    container = CONTAINERS[target.suffix.lower()]
    model: Restorer | None
    with open_clip(source) as clip:
        first = next(clip.frames(), None)
        if first is None:
            raise PictureError(f"{source} holds no frame that can be decoded.")
        name = clip.video.codec.canonical_name
        encoder, pixels = choose_encoding(name, first.format, container, codec)
        check_quality(crf, encoder.worst)  # again, now that the codec is known
        if isinstance(restorer, AutoRestorer):
            frames = (in_format(frame, pixels) for frame in chain([first], _spread_frames(clip)))
            model, outcome = restorer.choose(map(upright, frames))
        else:
            model, outcome = restorer, None
    if model is None and leave_clear:
        return Restored(outcome)
    make_folder(target.parent)
    as_it_is = model is None and codec is None and crf is None and not compare
    with _written(target, overwrite) as temporary, open_clip(source) as clip:
        if as_it_is and source.suffix.lower() == target.suffix.lower():
            shutil.copyfile(source, temporary)
            return Restored(outcome)
        lost = tuple(_lost(first.format, VideoFormat(pixels), encoder))
        first = in_format(first, pixels)
        with open_writer(temporary, clip, container, first, encoder, crf) as writer:
            done = restore_frames(clip, writer, first, model, compare=compare, progress=progress)
        megapixels = done * first.width * first.height / 1e6
        fault = clip.fault(writer.refused)
        return Restored(outcome, done, megapixels, fault, tuple(writer.left_out), lost)


def _lost(source: VideoFormat, written: VideoFormat, encoder: Encoder) -> Iterator[str]:
    """Tell what frames lose, as `Restored` has it."""
    had, has = (
        max(component.bits for component in form.components if not component.is_alpha)
        for form in (source, written)
    )
    if has < had:
        yield f"bits beyond {has} with {encoder.name}"
    if any(component.is_alpha for component in source.components):
        yield "alpha"


@contextmanager
def _written(target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a file to write a clip to, as `placed` does, and tell what is wrong with writing it."""
    with placed(target, error=PictureError, overwrite=overwrite) as temporary:
        try:
            yield temporary
        except (av.FFmpegError, OSError) as error:  # a clip tells what is wrong with reading it
            raise PictureError(f"{target} cannot be written: {reason_of(error)}.") from error


def _spread_frames(clip: Clip) -> Iterator[VideoFrame]:
    """Give some frames from all over a clip, as far as it can be looked at out of order."""
    if clip.seconds is None:
        return
    start = float((clip.video.start_time or 0) * (clip.video.time_base or 0))
    for index in range(1, _LOOKED_AT):
        time = start + clip.seconds * index / _LOOKED_AT
        try:
            clip.container.seek(round(time * av.time_base))
        except av.FFmpegError:
            return
        # The key frame before it is 0.0 seconds into many a clip, which is not false but early.
        late = (each for each in clip.frames() if each.time is None or each.time >= time)
        frame = next(late, None)
        if frame is not None:
            yield frame
