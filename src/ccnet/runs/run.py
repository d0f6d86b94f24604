"""A run over many files, which goes on where an earlier one stopped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ccnet.errors import CCNetError, PictureError
from ccnet.placing import placed, sweep, taken
from ccnet.runs.folders import Job, comparison_of, is_video
from ccnet.runs.manifest import Entry, Manifest, is_same, spell, stamp
from ccnet.runs.pipeline import Pipeline, Progress, Result, Task, remove
from ccnet.runs.request import Request
from ccnet.runs.workers import run_workers


class Status(str, Enum):
    """What became of a job."""

    restored = "restored"
    clear = "clear"
    done = "done before"
    failed = "failed"


class Report(NamedTuple):
    """What became of a job; `result` is there where it was begun, `fault` where it failed."""

    job: Job
    status: Status
    result: Result | None = None
    fault: str | None = None


def run_jobs(
    jobs: Sequence[Job],
    request: Request,
    report: Callable[[Report], object],
    *,
    workers: int | None = None,
    devices: Sequence[str] = (),
    stop: bool = False,
    progress: Progress | None = None,
) -> None:
    """Restore files, but for those that the manifests of their folders say are done.

    Args:
        jobs: What to restore into what, of `folders.plan`.
        request: How.
        report: Called once for each job, never by two threads at a time.
        workers: How many processes restore; if None, one for each of `devices`, or else this one.
        devices: Where; processes take them in turn. `request.device` if there are none.
        stop: Whether to begin no job any more after one has failed.
        progress: Called as restoring goes on in this process.

    Raises:
        PictureError: No folder of results can be written to.
        CCNetError: Of loading the model.
    """
    run = _Run(jobs, request, report, stop)
    try:
        run.open()
        tasks = run.tasks()
        first = next(tasks, None)
        if first is None:  # so that no model need be loaded
            return
        tasks = itertools.chain([first], tasks)
        if workers is None and not devices:
            Pipeline(request, request.load(), run.deliver, progress).run(tasks)
        else:
            count = workers or len(devices)
            run_workers(tasks, request, run.deliver, count=count, devices=devices)
    finally:
        run.close()


class _Run:
    def __init__(
        self,
        jobs: Sequence[Job],
        request: Request,
        report: Callable[[Report], object],
        stop: bool,
    ) -> None:
        self._jobs = jobs
        self._request = request
        self._tell = report
        self._stop = stop
        self._stopped = False
        self._telling = Lock()
        self._manifests: dict[Path, Manifest] = {}
        self._faults: dict[Path, PictureError] = {}
        self._begun: dict[int, Task] = {}

    def open(self) -> None:
        """Read the manifests, and remove what killed runs have left."""
        for folder in {job.folder for job in self._jobs if job.folder is not None}:
            try:
                self._manifests[folder] = Manifest(folder)
            except PictureError as error:
                self._faults[folder] = error
        fine = (job.fault is None and job.folder not in self._faults for job in self._jobs)
        if self._faults and not any(fine):
            raise next(iter(self._faults.values()))
        if self._manifests:
            self._identities = self._request.identities()
        self._sweep()

    def close(self) -> None:
        self._sweep()
        for manifest in self._manifests.values():
            manifest.close()

    def tasks(self) -> Iterator[Task]:
        """Give what is to be done, and report the rest."""
        for number, job in enumerate(self._jobs):
            if self._stopped:
                return
            try:
                task = self._task(number, job)
            except PictureError as error:
                self._report(Report(job, Status.failed, fault=str(error)))
                continue
            if task is None:
                self._report(Report(job, Status.done))
            else:
                self._begun[number] = task
                yield task

    def deliver(self, result: Result) -> None:
        """Put a result in its place and report it."""
        task = self._begun.pop(result.number)
        fault = result.fault
        if fault is None:
            try:
                self._place(task, result)
            except (CCNetError, OSError) as error:
                fault = str(error)
            finally:
                remove(result.written, result.comparison)
        status = Status.restored
        if fault is not None:
            status = Status.failed
        elif result.outcome is not None and result.outcome.model is None:
            status = Status.clear
        self._report(Report(task.job, status, result, fault))

    def _report(self, report: Report) -> None:
        with self._telling:
            self._stopped |= self._stop and report.status == Status.failed
            self._tell(report)

    def _task(self, number: int, job: Job) -> Task | None:
        """Make a job's task, or None if it is done; raises PictureError if it cannot be."""
        if job.fault is not None:
            raise PictureError(job.fault)
        if job.folder in self._faults:
            raise self._faults[job.folder]
        status = _status(job.target)
        manifest = self._manifests.get(job.folder) if job.folder is not None else None
        entry = manifest.find(job.target) if manifest is not None else None
        replace = self._request.overwrite
        if entry is not None:
            if self._is_done(job, entry, status):
                return None
            replace |= status is None or entry.is_intact(status) or entry.is_before(status)
        if not replace:
            compared = self._request.compare and not is_video(job.source)
            for place in (job.target, comparison_of(job.target)) if compared else (job.target,):
                if os.path.lexists(place):
                    raise PictureError(taken(place))
        return Task(number, job, replace)

    def _is_done(self, job: Job, entry: Entry, status: os.stat_result | None) -> bool:
        """Whether a job's result is there, and from the same source in the same way.

        One that somebody has changed since counts, too, unless files are to be overwritten.
        """
        if entry.identity != spell(self._identities[is_video(job.source)]):
            return False
        if entry.result is None:
            there = self._request.leave_clear
        else:
            there = status is not None and self._is_current(job, entry, status)
        compared = self._request.compare and not is_video(job.source) and not entry.clear
        if not there or (compared and not os.path.lexists(comparison_of(job.target))):
            return False
        if entry.result is not None and _absolute(job.source) == _absolute(job.target):
            return True  # it is its own result
        try:
            return is_same(entry.source, job.source, job.source.stat())
        except OSError:  # who reads it next tells what is wrong
            return False

    def _is_current(self, job: Job, entry: Entry, status: os.stat_result) -> bool:
        """Whether what is in a result's place is the result, or what somebody made of it."""
        if entry.is_before(status):
            return False
        if self._request.overwrite or _absolute(job.source) == _absolute(job.target):
            return entry.is_intact(status)
        return status.st_size > 0

    def _place(self, task: Task, result: Result) -> None:
        job = task.job
        manifest = self._manifests.get(job.folder) if job.folder is not None else None
        if manifest is not None and result.source is not None:
            before = _status(job.target)
            manifest.append(
                job.target,
                result.source,
                self._identities[is_video(job.source)],
                None if result.written is None else stamp(result.written.stat()),
                None if before is None else stamp(before),
                facts_of(job, result),
            )
        places = (job.target, comparison_of(job.target))
        for written, place in zip((result.written, result.comparison), places, strict=True):
            if written is not None:
                with placed(place, error=PictureError, overwrite=task.replace) as temporary:
                    written.replace(temporary)

    def _sweep(self) -> None:
        for folder in {job.target.parent for job in self._jobs if job.folder in self._manifests}:
            sweep(folder)


def facts_of(job: Job, result: Result) -> dict[str, object]:
    """Give what readers may want to know of a result, in types of JSON."""
    outcome = result.outcome
    return {
        "from": os.fspath(job.source),
        "kind": outcome and outcome.kind,
        "model": outcome and outcome.model,
        "engine": result.engine,
        "megapixels": round(result.megapixels, 6),
        "seconds": round(result.seconds, 3),
    }


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - as for plan()


def _status(path: Path) -> os.stat_result | None:
    """Look at a file, or at a link that leads nowhere; None if nothing is there."""
    try:
        try:
            return path.stat()
        except FileNotFoundError:
            return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PictureError(f"{path} cannot be written: {reason}.") from error
