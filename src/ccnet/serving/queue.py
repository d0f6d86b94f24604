"""A bounded queue of jobs and the threads that do them."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Generic, TypeVar

from ccnet.serving.refusals import Refusal

Result = TypeVar("Result")


class StoppedError(Exception):
    """Nobody waits for a job any more, or its time is over."""


class RaisedError(Exception):
    """Where an error was raised, as text, which is all that is kept of that."""


class Job(Generic[Result]):
    """Work that was asked for: called with `tell`, which it must call often.

    Args:
        work: What to do when its turn comes.
        seconds: How long it may take from now on, waiting included.
        look: What may be done before: it raises what ends the job at once.

    Attributes:
        future: What becomes of it.
        share: How much of it is done, in [0, 1].
        arrived: When it was asked for, as `time.monotonic` has it.
    """

    def __init__(
        self,
        work: Callable[[Job[Result]], Result],
        seconds: float,
        look: Callable[[], object] | None = None,
    ) -> None:
        self.future: Future[Result] = Future()
        self.share = 0.0
        self.arrived = time.monotonic()
        self._deadline = self.arrived + seconds
        self._work: Callable[[Job[Result]], Result] | None = work
        self._look = look
        self._at_work = threading.Lock()
        self._cancelled = False

    @property
    def seconds_left(self) -> float:
        """How long it may still take, waiting included; not below 0."""
        return max(0.0, self._deadline - time.monotonic())

    def tell(self, share: float) -> None:
        """Note how much is done; raises `StoppedError` in a job that is not wanted any more."""
        self.share = share
        if self._cancelled or self.seconds_left == 0:
            raise StoppedError

    def cancel(self) -> None:
        """Do not begin, or stop at the next `tell`, and let go of what is held for it."""
        self._cancelled = True
        if self.future.cancel():
            self._work = self._look = None

    def look(self) -> None:
        """Look at what is asked for while it waits; too late, or not wanted, this does nothing."""
        with self._at_work:
            look, self._look = self._look, None
            if look is None:
                return
            try:
                self.tell(0.0)
                look()
            except BaseException as error:  # noqa: BLE001
                self._work = None
                with suppress(InvalidStateError):  # it was cancelled meanwhile
                    self.future.set_exception(_without_frames(error))

    def run(self) -> None:
        """Do the work, unless it is cancelled; its error goes to whoever waits."""
        with self._at_work:  # where it is being looked at, that is nearly done
            work, self._work, self._look = self._work, None, None
            if work is None or not self.future.set_running_or_notify_cancel():
                return
        try:
            self.tell(0.0)
            result = work(self)
        except BaseException as error:  # noqa: BLE001
            self.future.set_exception(_without_frames(error))
        else:
            self.share = 1.0
            self.future.set_result(result)


def _without_frames(error: BaseException) -> BaseException:
    """Let go of the frames that an error came through: they hold the job, and so its picture.

    The job holds the error in turn, so that all would stay until Python looks for such circles.
    """
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    error.__cause__, error.__context__ = RaisedError("".join(lines)), None
    return error.with_traceback(None)


class JobQueue:
    """Threads that do one job each at a time, first come, first served.

    Args:
        threads: How many.
        most_waiting: How many jobs may wait for a thread; with more, `add` refuses.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._threads = threads
        self._most_waiting = most_waiting
        self._jobs: deque[Job[object]] = deque()
        self._changed = threading.Condition()
        self._running = 0
        self._closed = False
        self._usual_seconds = 1.0
        for number in range(threads):
            threading.Thread(target=self._serve, name=f"ccnet-{number}", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        with self._changed:
            self._drop_done()
            return len(self._jobs)

    @property
    def running(self) -> int:
        """How many jobs are being done."""
        return self._running

    @property
    def full(self) -> bool:
        """Whether `add` would refuse now."""
        idle = self._threads - self._running
        return self.waiting >= self._most_waiting + idle

    def check(self) -> None:
        """Raise the `Refusal` that `add` would raise now."""
        if self._closed:
            raise Refusal("stopping", "The server is stopping; ask another one, or again later.")
        if self.full:
            raise Refusal(
                "queue_full",
                f"{self._most_waiting} pictures wait already; try again later.",
                {"Retry-After": str(self._seconds_to_wait())},
            )

    def add(
        self,
        work: Callable[[Job[Result]], Result],
        seconds: float,
        look: Callable[[], object] | None = None,
    ) -> Job[Result]:
        """Ask for work, as for `Job`; raises `Refusal` if it is full."""
        job = Job(work, seconds, look)
        with self._changed:
            self.check()
            self._jobs.append(job)  # type: ignore[arg-type]
            self._changed.notify()
        return job

    def close(self, seconds: float) -> bool:
        """Take no more jobs, and wait some seconds for those there are; tell whether all ended."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not (self._jobs or self._running), seconds)

    def _drop_done(self) -> None:
        """Drop what was cancelled, or ended by the look at it."""
        if any(job.future.done() for job in self._jobs):
            self._jobs = deque(job for job in self._jobs if not job.future.done())

    def _seconds_to_wait(self) -> int:
        """Guess when a place comes free."""
        return max(1, min(round(self._usual_seconds / self._threads), 120))

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                job = self._jobs.popleft()
                self._running += 1
            began = time.monotonic()
            job.run()
            with self._changed:
                self._usual_seconds += 0.2 * (time.monotonic() - began - self._usual_seconds)
                self._running -= 1
                del job  # so that its picture is not kept until the next one comes
                self._changed.notify_all()
