"""Tasks spread over processes, of which any may die without taking the others along.

A process that dies takes the few files it had in hand with it. They are given to a new one, one at
a time, so that only what kills that one, too, has failed. Processes are spawned, since libvips does
not survive a fork.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from ccnet.errors import CCNetError
from ccnet.machine import processors
from ccnet.runs.pipeline import Pipeline, Progress, Result, Task
from ccnet.runs.request import Request

_DEPTH = 3
"""Tasks that a process has in hand: one that it reads, one it restores and one it writes."""

_TELL_SECONDS = 0.3
"""Between shares that a process tells."""

_PATIENCE = 5.0
"""Seconds that a process has to end."""

_SPAWN = multiprocessing.get_context("spawn")


def run_workers(
    tasks: Iterator[Task],
    request: Request,
    deliver: Callable[[Result], object],
    *,
    count: int,
    devices: Sequence[str],
    progress: Progress | None = None,
) -> None:
    """Do tasks in processes of their own.

    Args:
        tasks: A few are taken at a time.
        request: What is asked for.
        deliver: Called with each task's result, in the order in which they come.
        count: How many processes.
        devices: Which they take in turn; `request.device` if there are none.
        progress: Called as restoring goes on, a few times a second for each process.

    Raises:
        CCNetError: What loading the model raises, or processes end while they load it.
    """
    started = [
        _Worker(replace(request, device=device), count)
        for device in itertools.islice(itertools.cycle(devices or [request.device]), count)
    ]
    try:
        _Crew(started, tasks, deliver, progress).run()
    finally:
        for worker in started:
            worker.end()


class _Share(NamedTuple):
    """How much of a task is done, and how fast it goes."""

    number: int
    share: float
    speed: str


class _Worker:
    """A process, what it has in hand, and what it is to do alone; `careful` while it does that."""

    def __init__(self, request: Request, count: int) -> None:
        self.request, self.count = request, count
        self.in_hand: dict[int, Task] = {}
        self.suspects: deque[Task] = deque()
        self.careful = False
        self.start()

    def start(self) -> None:
        self.ready = False
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(
            target=_work, args=(theirs, self.request, self.count), daemon=True
        )
        # Ctrl-C reaches all processes, and this one sees to the others.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()

    def end(self) -> None:
        """End the process, which has nothing in hand or is not to finish it."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class _Crew:
    def __init__(
        self,
        workers: Sequence[_Worker],
        tasks: Iterator[Task],
        deliver: Callable[[Result], object],
        progress: Progress | None,
    ) -> None:
        self._workers = list(workers)
        self._tasks = tasks
        self._deliver = deliver
        self._progress = progress
        self._more = True

    def run(self) -> None:
        while self._workers:
            for worker in self._workers:
                self._give(worker)
            if not self._more and not any(each.in_hand or each.suspects for each in self._workers):
                return
            heard = wait([each.connection for each in self._workers])
            for worker in [each for each in self._workers if each.connection in heard]:
                self._hear(worker)
        raise CCNetError("The processes ended while they loaded the model; is there memory for it?")

    def _give(self, worker: _Worker) -> None:
        """Give a worker as much as it can have in hand."""
        while worker.ready:
            if not worker.in_hand:
                worker.careful = bool(worker.suspects)
            if len(worker.in_hand) >= (1 if worker.careful or worker.suspects else _DEPTH):
                return
            rest = worker.suspects.popleft() if worker.suspects else None
            task = rest or (next(self._tasks, None) if self._more else None)
            if task is None:
                self._more = False
                return
            worker.in_hand[task.number] = task
            try:
                worker.connection.send(task)
            except OSError:  # it has died, which is seen when it is heard
                return

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if isinstance(message, CCNetError):
            raise message
        if isinstance(message, Result):
            del worker.in_hand[message.number]
            self._deliver(message)
        elif isinstance(message, _Share):
            if self._progress:
                self._progress(worker.in_hand[message.number], message.share, message.speed)
        else:
            worker.ready = True

    def _bury(self, worker: _Worker) -> None:
        worker.process.join(_PATIENCE)
        if not worker.ready:
            self._workers.remove(worker)
            for other in self._workers[:1]:
                other.suspects.extend(worker.suspects)
            return
        left = list(worker.in_hand.values())
        worker.in_hand.clear()
        if len(left) == 1:
            fault = f"{left[0].job.source} ended the process that restored it{_cause(worker)}."
            self._deliver(Result(left[0].number, fault=fault))
        else:
            worker.suspects.extend(left)
        worker.connection.close()
        worker.start()


def _cause(worker: _Worker) -> str:
    code = worker.process.exitcode
    if code == -signal.SIGKILL:
        return "; there may be too little memory for it"
    return f" ({signal.Signals(-code).name})" if code is not None and code < 0 else ""


def _work(connection: Connection, request: Request, count: int) -> None:
    """Do tasks as they come, in a process of its own."""
    # So that processes share the CPU instead of each taking all of it.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, processors() // count)))
    try:
        restorer = request.load()
    except CCNetError as error:
        connection.send(error)
        return
    connection.send("ready")
    queue: SimpleQueue[Task] = SimpleQueue()
    Thread(target=_listen, args=(connection, queue), daemon=True).start()
    sending = Lock()  # results are written by one thread, and another one restores
    told = 0.0

    def send(message: Result | _Share) -> None:
        with sending, _ending_where_it_fails():
            connection.send(message)

    def tell(task: Task, share: float, speed: str) -> None:
        nonlocal told
        if time.monotonic() > told + _TELL_SECONDS:
            told = time.monotonic()
            send(_Share(task.number, share, speed))

    with _ending_where_it_fails():
        Pipeline(request, restorer, send, tell).run(iter(queue.get, None))


@contextmanager
def _ending_where_it_fails() -> Iterator[None]:
    """End the process at once: Python's own end would wait for the reader, and that for a task."""
    try:
        yield
    except BaseException:  # noqa: BLE001 - it is told here
        traceback.print_exc()
        os._exit(1)


def _listen(connection: Connection, queue: SimpleQueue[Task]) -> None:
    while True:
        try:
            queue.put(connection.recv())
        except (EOFError, OSError):  # who gives tasks has ended; what it left, the next run sweeps
            os._exit(0)
