"""Tasks spread over the machines of a Ray cluster, of which any may go without taking files along.

Ray Data gives batches of tasks to actors, each with the model loaded, and gives those that a lost
actor had in hand to another one. Files travel by their paths: actors read them where they are and
write results aside. Only the run itself, which hears what was done, puts results in their places,
so that a file done twice has one result.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ccnet.errors import CCNetError, PictureError, UsageError
from ccnet.extras import require
from ccnet.restoration.results import make_folder
from ccnet.runs.folders import absolute, is_video
from ccnet.runs.pipeline import Pipeline, Result, Task
from ccnet.runs.request import Identity, Request
from ccnet.runs.stores import fetch, is_remote, send
from ccnet.weights.registry import look_up

_BATCH = 16
"""Files that an actor is given at a time, at most; a video goes alone."""

_SHARES = 4
"""Batches for each actor that there may be at the start, so that all end at about one time."""

_MEMORY = 2 << 30
"""Bytes that an actor is taken to need; see docs/engines.md."""

_PATIENCE = 10.0
"""Seconds that a cluster has to answer."""

_ATTEMPTS = 3
"""Of a file, until it is taken to end the processes that restore it."""


def run_cluster(
    tasks: Iterable[Task],
    request: Request,
    deliver: Callable[..., bool],
    address: str,
) -> None:
    """Do tasks on a Ray cluster.

    Args:
        tasks: All are taken before the first is done.
        request: What is asked for. Of its device "auto" takes the cluster's GPUs if there are any,
            "cuda" one for each actor, and "cpu" a core for each.
        deliver: Called with the results of some tasks as they come; tells whether to go on.
        address: As for `ray.init`: "auto", "local" or "host:port".

    Raises:
        UsageError: There is no cluster, or none with what is needed.
        CCNetError: What loading the model raises on a machine, or it is another model there.
    """
    require("cluster", "--cluster")
    import ray

    with _connected(address):
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpu = request.device == "cuda" or (request.device == "auto" and "GPU" in resources)
        needed = {"GPU" if gpu else "CPU": 1.0, "memory": float(_MEMORY)}
        slots = int(min(resources.get(name, 0) / least for name, least in needed.items()))
        if not slots:
            raise UsageError(
                f"The cluster has no {'GPU' if gpu else 'CPU'} with {_MEMORY >> 30} GiB of memory."
            )
        # A run must not end with a machine that has the count.
        count = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Begun).remote()
        # Machines of the cluster have working folders of their own.
        if request.model is not None and isinstance(file := look_up(request.model), Path):
            request = replace(request, model=absolute(file))
        for results in _restored(list(map(_absolute, tasks)), request, count, slots, gpu):
            if isinstance(results, CCNetError):
                raise results
            if not deliver(*results):
                return


def _absolute(task: Task) -> Task:
    def anywhere(path: Path) -> Path:
        return path if is_remote(path) else Path(absolute(path))

    job = task.job
    folder = None if job.folder is None else anywhere(job.folder)
    job = replace(job, source=anywhere(job.source), target=anywhere(job.target), folder=folder)
    return task._replace(job=job)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Connect to a cluster, unless who called has."""
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Or its core would write to standard error, as it does once to tell that it will not.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address.startswith("ray://"):  # the client cannot stream what Ray Data gives
        raise UsageError(
            f"--cluster {address} is Ray Client's, which Ray Data does not go by; run the command "
            "on a machine of the cluster, or with ray job submit."
        )
    # What machines tell of their ends it would print between the names of results.
    ray._private.worker._worker_logs_enabled = False
    dashboard = False if address == "local" else None
    try:
        if ":" in address:  # or Ray would try for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), _PATIENCE).close()
        with _silent():
            ray.init(
                address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                include_dashboard=dashboard,
            )
    except (OSError, RuntimeError, ValueError) as error:  # the second for another Python's Ray
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(f"--cluster {address} cannot be connected to: {reason}.") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Let nothing be written to standard error, by no library either."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _restored(
    tasks: list[Task], request: Request, count: Any, slots: int, gpu: bool
) -> Iterator[list[Result] | CCNetError]:
    """Let Ray Data do tasks, and give the results of each batch."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it tells of itself at length
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    batches = [{"tasks": pickle.dumps(batch)} for batch in _batches(tasks, slots)]
    dataset = ray.data.from_items(batches, override_num_blocks=len(batches)).map(
        _Actor,  # type: ignore[arg-type]
        fn_constructor_args=(request, request.identities(), count),
        concurrency=(min(slots, len(batches)), len(batches)),
        num_cpus=1,
        num_gpus=1 if gpu else 0,
        memory=_MEMORY,
    )
    for row in dataset.iter_rows():
        yield pickle.loads(row["results"])


def _batches(tasks: list[Task], slots: int) -> Iterator[list[Task]]:
    size = max(1, min(len(tasks) // (slots * _SHARES), _BATCH))
    pictures = [task for task in tasks if not is_video(task.job.source)]
    yield from ([task] for task in tasks if is_video(task.job.source))
    yield from (pictures[start : start + size] for start in range(0, len(pictures), size))


class _Begun:
    """Which files were begun and not ended: those that actors have in hand, or were lost with."""

    def __init__(self) -> None:
        self._times: Counter[int] = Counter()

    def begin(self, number: int) -> int:
        """Give how often a task was begun, now included."""
        self._times[number] += 1
        return self._times[number]

    def end(self, number: int) -> None:
        del self._times[number]

    def any_of(self, numbers: list[int]) -> bool:
        return any(number in self._times for number in numbers)


class _Actor:
    """A process with a model on one of the machines, which Ray Data calls with batches."""

    def __init__(self, request: Request, identities: tuple[Identity, Identity], count: Any) -> None:
        self._request = request
        self._count = count
        self._error: CCNetError | None = None
        try:
            if request.identities() != identities:
                raise CCNetError(
                    "The machines of the cluster have other files of the model, or another ccnet."
                )
            self._restorer = request.load()
        except CCNetError as error:  # to be told once, where an actor would be started anew
            self._error = error

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        return {"results": pickle.dumps(self._error or self._do(pickle.loads(row["tasks"])))}

    def _do(self, tasks: list[Task]) -> list[Result]:
        import ray

        results: list[Result] = []
        # After an actor was lost, what it had in hand goes one at a time.
        alone = ray.get(self._count.any_of.remote([task.number for task in tasks]))
        with TemporaryDirectory(prefix="ccnet-") as scratch:
            for share in ([task] for task in tasks) if alone else [tasks]:
                moved = _Moved(Path(scratch), share, self._count, results)
                Pipeline(self._request, self._restorer, moved.deliver).run(moved.tasks())
        return results


class _Moved:
    """Tasks whose files are, or go, elsewhere: what is read and written of them is on this machine.

    Args:
        scratch: A folder on this machine.
        tasks: What to do.
        count: The actor of `_Begun`.
        results: Where results are added to.
    """

    def __init__(self, scratch: Path, tasks: list[Task], count: Any, results: list[Result]) -> None:
        self._scratch = scratch
        self._tasks = {task.number: task for task in tasks}
        self._count = count
        self._results = results
        self._changed: dict[int, int] = {}

    def tasks(self) -> Iterator[Task]:
        import ray

        for number, task in self._tasks.items():
            try:
                if ray.get(self._count.begin.remote(number)) > _ATTEMPTS:
                    raise PictureError(
                        f"{task.job.source} ended {_ATTEMPTS} processes that restored it."
                    )
                yield self._fetched(task)
            except PictureError as error:
                self._end(Result(number, fault=str(error)))

    def deliver(self, result: Result) -> None:
        """Write a result to where it goes."""
        task = self._tasks[result.number]
        if result.source is not None and result.number in self._changed:
            source = result.source._replace(changed=self._changed[result.number])
            result = replace(result, source=source)
        here = self._here(task)
        if result.written is not None and is_remote(task.job.target):
            try:
                result = replace(result, written=send(result.written, task.job.target))
            except PictureError as error:
                result = replace(result, written=None, fault=str(error))
        if result.fault is not None:
            names = (
                (str(here.job.source), str(task.job.source)),
                (str(here.job.target), str(task.job.target)),
            )
            for ours, theirs in names:
                result = replace(result, fault=str(result.fault).replace(ours, theirs))
        shutil.rmtree(self._scratch / str(task.number), ignore_errors=True)
        self._end(result)

    def _fetched(self, task: Task) -> Task:
        here = self._here(task)
        if is_remote(task.job.source):
            make_folder(here.job.source.parent)
            self._changed[task.number] = fetch(task.job.source, here.job.source)
        return here

    def _here(self, task: Task) -> Task:
        """Give a task with a place on this machine for each file that has none."""
        folder, job = self._scratch / str(task.number), task.job
        source = folder / job.source.name if is_remote(job.source) else job.source
        target = folder / "out" / job.target.name if is_remote(job.target) else job.target
        return task._replace(job=replace(job, source=source, target=target))

    def _end(self, result: Result) -> None:
        import ray

        self._results.append(result)
        ray.get(self._count.end.remote(result.number))
