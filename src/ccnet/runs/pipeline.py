"""Files restored one after another, the next being read and the last written meanwhile."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ccnet.errors import CCNetError, PictureError, reason_of
from ccnet.images import Picture, read_picture, write_picture
from ccnet.images.writing import check_target
from ccnet.placing import place_file, temporary_beside
from ccnet.restoration.automatic import AutoRestorer, Outcome
from ccnet.restoration.comparing import side_by_side
from ccnet.restoration.results import (
    check_folder,
    make_folder,
    read_bytes,
    result_format,
    stays,
)
from ccnet.runs.folders import Job, is_video
from ccnet.runs.manifest import Source, inspect, owner_of
from ccnet.runs.request import Request

if TYPE_CHECKING:
    from ccnet.restoration.restorer import Restorer

_AHEAD_BYTES = 256 << 20
"""Of pixels: beside a larger picture no other one is held."""


class Task(NamedTuple):
    """A job that is to be done, numbered within its run; `replace` what is there."""

    number: int
    job: Job
    replace: bool = False


@dataclass(frozen=True)
class Result:
    """What became of a task.

    Attributes:
        number: The task's.
        fault: Why there is no result, in a sentence.
        trace: Where an error came from that nobody expected, as Python tells it.
        written: The result, in a temporary file beside its place; None where nothing is written.
        comparison: That of a picture with its result.
        source: What was read, where there is a manifest.
        outcome: What it was taken for, where nobody said it.
        missing: What a video that is cut short lacks, in a sentence.
        notes: What else there is to say, a few words each.
        engine: What ran the model.
        megapixels: Of a picture, or of all frames of a video together.
        seconds: From the beginning of reading to the end of writing.
    """

    number: int
    fault: str | None = None
    trace: str | None = None
    written: Path | None = None
    comparison: Path | None = None
    source: Source | None = None
    outcome: Outcome | None = None
    missing: str | None = None
    notes: tuple[str, ...] = ()
    engine: str | None = None
    megapixels: float = 0.0
    seconds: float = 0.0


Progress: TypeAlias = "Callable[[Task, float, str], object]"
"""Told a task, the share of it that is done, and how fast it goes, in words or none."""


class _Read(NamedTuple):
    """A task whose file is read; a video is read as it is restored."""

    task: Task
    result: Result
    started: float
    picture: Picture | None = None


class _Restored(NamedTuple):
    read: _Read
    result: Result
    picture: Picture | None = None


class Pipeline:
    """Does the tasks of one process: reads, restores and writes in a thread for each.

    Args:
        request: What is asked for.
        restorer: What `request` loaded.
        deliver: Called with each task's result, in their order and from one thread. What is written
            then stands in temporary files, which are its to move or remove.
        progress: Called as restoring goes on.
    """

    def __init__(
        self,
        request: Request,
        restorer: Restorer | AutoRestorer,
        deliver: Callable[[Result], object],
        progress: Progress | None = None,
    ) -> None:
        self._request = request
        self._restorer = restorer
        self._deliver = deliver
        self._progress = progress

    def run(self, tasks: Iterator[Task]) -> None:
        """Do all tasks; at most three pictures are held, one of each stage."""
        reader, wait = ThreadPoolExecutor(1), True
        try:
            with ThreadPoolExecutor(1) as writer:
                self._run(tasks, reader, writer)
        except Exception:
            wait = False  # for the reader, which may itself wait for a task that never comes
            raise
        finally:
            reader.shutdown(wait)

    def _run(
        self, tasks: Iterator[Task], reader: ThreadPoolExecutor, writer: ThreadPoolExecutor
    ) -> None:
        leaving: Future[object] = writer.submit(bool)
        coming = reader.submit(self._read, tasks)
        while (read := coming.result()) is not None:
            del coming  # which would hold the picture
            alone = read.picture is not None and read.picture.pixels.nbytes > _AHEAD_BYTES
            if alone:
                leaving.result()
            else:
                coming = reader.submit(self._read, tasks)
            restored = self._restore(read)
            del read
            leaving.result()
            leaving = writer.submit(self._write, restored)
            del restored
            if alone:
                leaving.result()
                coming = reader.submit(self._read, tasks)
        leaving.result()

    def _read(self, tasks: Iterator[Task]) -> _Read | None:
        """Read the next task's file, or give None at the end."""
        task = next(tasks, None)
        if task is None:
            return None
        started = time.monotonic()
        result = Result(task.number)
        path = task.job.source
        try:
            if task.job.folder is not None:
                result = replace(result, source=_inspect(path))
            if is_video(path):
                return _Read(task, result, started)
            picture = read_picture(path)
            self._check_target(task.job, picture)
        except Exception as error:  # noqa: BLE001 - the other files must be done
            return _Read(task, _failed(result, error), started)
        height, width, _ = picture.pixels.shape
        return _Read(task, replace(result, megapixels=height * width / 1e6), started, picture)

    def _check_target(self, job: Job, picture: Picture) -> None:
        """Raise PictureError for what cannot be written, before anything is restored."""
        request = self._request
        format = result_format(picture, job.source, job.target, request.format)  # noqa: A001
        # Of a clear picture nothing may be written, or its file's bytes, which is seen only when it
        # has been recognised.
        recognises = isinstance(self._restorer, AutoRestorer)
        if recognises and request.leave_clear:
            return
        check_folder(job.target)
        if not (recognises and stays(picture, format, request.quality)):
            named = format or picture.format
            check_target(picture, job.target, format=named, quality=request.quality)

    def _restore(self, read: _Read) -> _Restored:
        task, result = read.task, read.result
        if result.fault is not None:
            return _Restored(read, result)
        try:
            if read.picture is None:
                return _Restored(read, self._restore_video(task, result))
            show = self._progress
            progress = (lambda share: show(task, share, "")) if show else None
            if isinstance(self._restorer, AutoRestorer):
                restored, outcome = self._restorer.restore_picture(read.picture, progress=progress)
                result = replace(result, outcome=outcome)
            else:
                restored = self._restorer.restore_picture(read.picture, progress=progress)
        except Exception as error:  # noqa: BLE001 - the other files must be done
            return _Restored(read, _failed(result, error))
        if task.job.comparison is None:
            read = read._replace(picture=None)
        return _Restored(read, replace(result, engine=self._restorer.engine), restored)

    def _restore_video(self, task: Task, result: Result) -> Result:
        from ccnet.video import restore_clip

        started = time.monotonic()
        job, request = task.job, self._request

        def speed(frames: int) -> str:
            return f"{frames / (time.monotonic() - started):.1f} frames a second"

        def progress(frames: int, share: float | None) -> None:
            if self._progress:
                self._progress(task, share or 0.0, speed(frames))

        make_folder(job.target.parent)
        written = _aside(job, job.target, job.target.suffix)
        try:
            done = restore_clip(
                self._restorer,
                job.source,
                written,
                codec=request.codec,
                crf=request.crf,
                compare=request.compare,
                leave_clear=request.leave_clear,
                progress=progress,
            )
        except CCNetError as error:
            return _failed(result, error, written, job.target)
        suffix = job.target.suffix
        notes = [f"{suffix} cannot hold its {stream}, left out" for stream in done.left_out]
        notes += [f"its frames lose their {what}" for what in done.lost]
        notes += [f"{done.frames} frames, {speed(done.frames)}"] * bool(done.frames)
        return replace(
            result,
            written=written if written.exists() else None,
            outcome=done.outcome,
            missing=done.fault,
            megapixels=done.megapixels,
            notes=tuple(notes),
            engine=self._restorer.engine,
        )

    def _write(self, restored: _Restored) -> None:
        read, result, picture = restored
        if picture is not None:
            result = self._write_picture(read, result, picture)
        self._deliver(replace(result, seconds=time.monotonic() - read.started))

    def _write_picture(self, read: _Read, result: Result, picture: Picture) -> Result:
        request, job = self._request, read.task.job
        source, target = job.source, job.target
        clear = result.outcome is not None and result.outcome.model is None
        if clear and request.leave_clear:
            return result
        written, comparison = _aside(job, target), None
        try:
            make_folder(target.parent)
            format = result_format(picture, source, target, request.format)  # noqa: A001
            if clear and stays(picture, format, request.quality):
                place_file(picture.piped or read_bytes(source), written, error=PictureError)
            else:
                named = format or picture.format
                write_picture(picture, written, format=named, quality=request.quality)
            if job.comparison is not None and read.picture is not None and not clear:
                comparison = _aside(job, job.comparison, ".png")
                write_picture(side_by_side(read.picture, picture), comparison)
        except Exception as error:  # noqa: BLE001 - the other files must be done
            remove(written)
            return _failed(result, error, comparison or written, target)
        return replace(result, written=written, comparison=comparison)


def _aside(job: Job, target: Path, suffix: str = "") -> Path:
    """Name a temporary file for what goes to a target, beside what a link there leads to."""
    return temporary_beside(Path(os.path.realpath(target)), suffix, owner_of(job.folder))


def remove(*files: Path | None) -> None:
    """Remove temporary files, as far as they are there."""
    for file in files:
        if file is not None:
            with suppress(OSError):
                file.unlink()


def _inspect(path: Path) -> Source:
    # A pipe would keep who reads it waiting. Path's own methods fail where a folder is closed.
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise PictureError(f"{path} is no file.")
    try:
        return inspect(path)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {reason_of(error)}.") from error


def _failed(
    result: Result,
    error: Exception,
    written: Path | None = None,
    target: Path | None = None,
) -> Result:
    """Add an error to a result, which names the target instead of a temporary file."""
    fault, trace = str(error), None
    if isinstance(error, MemoryError):
        fault = "There is not enough memory."
    elif not isinstance(error, CCNetError):
        told = " ".join(f"{type(error).__name__}: {fault}".split()).rstrip(".:")
        fault, trace = f"There was an unexpected error, {told}.", traceback.format_exc()
    return replace(result, fault=fault.replace(str(written), str(target)), trace=trace)
