"""A run over many files, which goes on where an earlier one stopped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ccnet.errors import CCNetError, PictureError, reason_of
from ccnet.placing import placed, sweep, taken, without_interrupts
from ccnet.runs.folders import Job, absolute, is_video
from ccnet.runs.manifest import Entry, Manifest, is_same, owner_of, spell, stamp
from ccnet.runs.pipeline import Pipeline, Progress, Result, Task, remove
from ccnet.runs.request import Request
from ccnet.runs.stores import StoreManifest, is_remote, move, told
from ccnet.runs.workers import run_workers

_LONGEST_SECONDS = 86_400.0
"""A file that was not written to for so long belongs to a run that was killed."""


class Status(str, Enum):
    """What became of a job."""

    restored = "restored"
    clear = "clear"
    done = "done before"
    failed = "failed"


class Report(NamedTuple):
    """What became of a job.

    Attributes:
        job: The job.
        status: What became of it.
        result: Where it was begun.
        fault: Where it failed: why, in a sentence.
        missing: What a result lacks, now or of a run before, for its source was cut or damaged.
        there: Whether the result stands at the job's target, now or of a run before.
    """

    job: Job
    status: Status
    result: Result | None = None
    fault: str | None = None
    missing: str | None = None
    there: bool = False

    def facts(self) -> dict[str, object]:
        """Tell the same in words and numbers, as `ccnet restore --json` prints it."""
        result = self.result
        outcome = result.outcome if result else None
        return {
            "source": str(self.job.source),
            "result": str(self.job.target) if self.there else None,
            "status": self.status.value,
            "error": self.fault,
            "missing": self.missing,
            "notes": list(result.notes) if result else [],
            "kind": outcome and outcome.kind,
            "model": outcome and outcome.model,
            "megapixels": round(result.megapixels, 6) if result else None,
            "seconds": round(result.seconds, 3) if result else None,
        }


def run_jobs(
    jobs: Sequence[Job],
    request: Request,
    report: Callable[[Report], object],
    *,
    workers: int | None = None,
    devices: Sequence[str] = (),
    cluster: str | None = None,
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
        cluster: The address of a Ray cluster that restores, as for `run_cluster`; it must reach
            the files by their paths.
        stop: Whether to begin no job any more after one has failed.
        progress: Called as restoring goes on on this machine.

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
        if cluster is not None:
            from ccnet.runs.cluster import run_cluster

            run_cluster(tasks, request, run.deliver, cluster)
        elif workers is None and not devices:
            Pipeline(request, request.load(), run.deliver, progress).run(tasks)
        else:
            count = workers or len(devices)
            run_workers(
                tasks, request, run.deliver, count=count, devices=devices, progress=progress
            )
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
        self._manifests: dict[Path, Manifest | StoreManifest] = {}
        self._faults: dict[Path, PictureError] = {}
        self._begun: dict[int, Task] = {}

    def open(self) -> None:
        """Read the manifests, and remove what killed runs have left."""
        for folder in {job.folder for job in self._jobs if job.folder is not None}:
            try:
                open_ = StoreManifest if is_remote(folder) else Manifest
                self._manifests[folder] = open_(folder)
            except PictureError as error:
                self._faults[folder] = error
        fine = (job.fault is None and job.folder not in self._faults for job in self._jobs)
        if self._faults and not any(fine):
            raise next(iter(self._faults.values()))
        if self._manifests:
            self._identities = self._request.identities()
        self._sweep()
        for folder in {_real_folder(job.target) for job in self._jobs if not is_remote(job.target)}:
            sweep(folder, _LONGEST_SECONDS)

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
            if isinstance(task, Report):
                self._report(task)
            else:
                self._begun[number] = task
                yield task

    def deliver(self, *results: Result) -> bool:
        """Put results in their places and report them; tells whether to go on."""
        with without_interrupts(), ThreadPoolExecutor(len(results)) as threads:
            # Stores are waited for rather than worked on.
            remote = any(result.written and is_remote(result.written) for result in results)
            each = threads.map if remote else map
            faults = list(each(self._enter, results))
            unwritten = _fault_of(lambda: [every.flush() for every in self._manifests.values()])
            list(each(self._finish, results, (fault or unwritten for fault in faults)))
        return not self._stopped

    def _enter(self, result: Result) -> str | None:
        """Write a result's line; gives a sentence where there is a fault."""
        if result.fault is not None:
            return result.fault
        return _fault_of(lambda: self._append(self._begun[result.number].job, result))

    def _finish(self, result: Result, fault: str | None) -> None:
        """Move a result to its place, and report it."""
        task = self._begun.pop(result.number)
        if fault is None:
            fault = _fault_of(lambda: self._place(task, result))
        if not is_remote(task.job.target):  # where what was not moved is swept
            remove(result.written, result.comparison)
        status = Status.restored
        if fault is not None:
            status = Status.failed
        elif result.outcome is not None and result.outcome.model is None:
            status = Status.clear
        missing = None if fault else result.missing
        there = fault is None and result.written is not None
        self._report(Report(task.job, status, result, fault, missing, there))

    def _report(self, report: Report) -> None:
        with self._telling:
            self._stopped |= self._stop and report.status == Status.failed
            self._tell(report)

    def _task(self, number: int, job: Job) -> Task | Report:
        """Make a job's task, or report that it is done; raises PictureError if it cannot be."""
        if job.fault is not None:
            raise PictureError(job.fault)
        if job.folder in self._faults:
            raise self._faults[job.folder]
        manifest = self._manifest(job)
        status = _status(job.target, manifest)
        entry = manifest.find(job.target) if manifest is not None else None
        replace = self._request.overwrite
        if entry is not None:
            if self._is_done(job, entry, status):
                there = entry.result is not None
                return Report(job, Status.done, missing=entry.missing, there=there)
            if status is None or status.st_size == 0:
                replace = True
            else:
                replace |= entry.is_intact(status) or entry.is_before(status)
        if not replace:
            if status is not None:
                raise PictureError(taken(str(job.target)))
            if job.comparison and os.path.lexists(job.comparison):
                raise PictureError(taken(job.comparison))
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
        if not there or (
            job.comparison and not entry.clear and not os.path.lexists(job.comparison)
        ):
            return False
        if entry.result is not None and absolute(job.source) == absolute(job.target):
            return True  # it is its own result
        try:
            return is_same(entry.source, job.source, job.source.stat())
        except OSError:  # who reads it next tells what is wrong
            return False

    def _is_current(self, job: Job, entry: Entry, status: os.stat_result) -> bool:
        """Whether what is in a result's place is the result, or what somebody made of it."""
        if entry.is_before(status):
            return False
        if self._request.overwrite or absolute(job.source) == absolute(job.target):
            return entry.is_intact(status)
        return status.st_size > 0

    def _manifest(self, job: Job) -> Manifest | StoreManifest | None:
        return self._manifests.get(job.folder) if job.folder is not None else None

    def _append(self, job: Job, result: Result) -> None:
        manifest = self._manifest(job)
        if manifest is not None and result.source is not None:
            before = _status(job.target, manifest)
            manifest.append(
                job.target,
                result.source,
                self._identities[is_video(job.source)],
                result.written,
                None if before is None else stamp(before),
                facts_of(job, result),
            )

    def _place(self, task: Task, result: Result) -> None:
        places = (task.job.target, task.job.comparison)
        for written, place in zip((result.written, result.comparison), places, strict=True):
            if written is None or place is None:
                continue
            if is_remote(place):
                move(written, place)
            else:
                owner = owner_of(task.job.folder)
                with placed(
                    place, error=PictureError, overwrite=task.replace, owner=owner
                ) as temporary:
                    written.replace(temporary)

    def _sweep(self) -> None:
        """Remove what runs with these manifests have left, of which no other one is going on."""
        jobs = [job for job in self._jobs if job.folder in self._manifests]
        places = {
            (_real_folder(job.target), job.folder) for job in jobs if not is_remote(job.target)
        }
        for folder, of_manifest in places:
            sweep(folder, owner=owner_of(of_manifest))


def _real_folder(path: Path) -> Path:
    """Give the folder that a file is in, or what a link leads to: where `Pipeline` writes."""
    return Path(os.path.realpath(path)).parent


def facts_of(job: Job, result: Result) -> dict[str, object]:
    """Give what readers may want to know of a result, in types of JSON."""
    outcome = result.outcome
    return {
        "from": str(job.source),
        "kind": outcome and outcome.kind,
        "model": outcome and outcome.model,
        "engine": result.engine,
        "megapixels": round(result.megapixels, 6),
        "seconds": round(result.seconds, 3),
        "missing": result.missing,
    }


def _fault_of(what: Callable[[], object]) -> str | None:
    """Do something, and say in a sentence what was wrong with it."""
    try:
        what()
    except (CCNetError, OSError) as error:
        return str(error)
    return None


def _status(path: Path, manifest: Manifest | StoreManifest | None) -> os.stat_result | None:
    """Look at a file, or at a link that leads nowhere; None if nothing is there."""
    if isinstance(manifest, StoreManifest):
        return manifest.status(path)
    if is_remote(path):
        with told(path, "written"):
            return path.stat() if path.exists() else None
    try:
        try:
            return path.stat()
        except FileNotFoundError:
            return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {reason_of(error)}.") from error
