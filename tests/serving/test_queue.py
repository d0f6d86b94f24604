from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError

import pytest

from ccnet.serving.queue import Job, JobQueue, StoppedError
from ccnet.serving.refusals import STATUSES, Refusal


class Gate:
    """Work that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.open = threading.Event()

    def work(self, job: Job[str]) -> str:
        self.began.set()
        while not self.open.wait(0.01):
            job.tell(0.5)
        return "done"


def test_jobs_are_done_first_come_first_served() -> None:
    queue = JobQueue(threads=1, most_waiting=10)
    order: list[int] = []

    def note(number: int) -> Callable[[Job[None]], None]:
        return lambda _: order.append(number)

    jobs = [queue.add(note(number), 60) for number in range(5)]
    for job in jobs:
        job.future.result(60)
    assert order == [0, 1, 2, 3, 4]
    assert jobs[0].share == 1
    assert queue.waiting == 0


def test_more_than_may_wait_are_refused_until_there_is_room() -> None:
    queue, gate = JobQueue(threads=1, most_waiting=2), Gate()
    running = queue.add(gate.work, 60)
    assert gate.began.wait(60)
    waiting = [queue.add(lambda _: "later", 60) for _ in range(2)]
    assert (queue.running, queue.waiting) == (1, 2)
    with pytest.raises(Refusal) as refused:
        queue.add(lambda _: "never", 60)
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1
    waiting[0].cancel()
    assert queue.waiting == 1
    waiting.append(queue.add(lambda _: "later", 60))
    gate.open.set()
    assert running.future.result(60) == "done"
    assert [job.future.result(60) for job in waiting[1:]] == ["later", "later"]


def test_a_job_that_is_cancelled_stops_or_never_begins() -> None:
    queue, gate = JobQueue(threads=1, most_waiting=2), Gate()
    running, waiting = queue.add(gate.work, 60), queue.add(gate.work, 60)
    assert gate.began.wait(60)
    waiting.cancel()
    running.cancel()
    with pytest.raises(StoppedError):
        running.future.result(60)
    with pytest.raises(CancelledError):
        waiting.future.result(60)
    assert queue.add(lambda _: "next", 60).future.result(60) == "next"


def test_what_is_found_wrong_while_a_job_waits_ends_it_and_frees_its_place() -> None:
    queue, gate = JobQueue(threads=1, most_waiting=1), Gate()
    running = queue.add(gate.work, 60)
    assert gate.began.wait(60)

    def find_fault() -> None:
        raise ValueError("broken")

    waiting = queue.add(gate.work, 60, find_fault)
    assert queue.waiting == 1
    waiting.look()
    with pytest.raises(ValueError, match="broken"):
        waiting.future.result(0)
    assert queue.waiting == 0
    cancelled = queue.add(gate.work, 60, find_fault)
    cancelled.cancel()
    cancelled.look()
    late = queue.add(gate.work, 0, find_fault)
    late.look()
    with pytest.raises(StoppedError):
        late.future.result(0)
    gate.open.set()
    assert running.future.result(60) == "done"


def test_a_job_whose_turn_comes_first_is_not_looked_at() -> None:
    queue, looked_at = JobQueue(threads=1, most_waiting=1), threading.Event()
    job = queue.add(lambda _: "done", 60, looked_at.set)
    assert job.future.result(60) == "done"
    job.look()
    assert not looked_at.is_set()


def test_a_job_whose_time_is_over_stops() -> None:
    queue, gate = JobQueue(threads=1, most_waiting=2), Gate()
    with pytest.raises(StoppedError):
        queue.add(gate.work, 0.05).future.result(60)


def test_an_error_ends_its_job_only() -> None:
    queue = JobQueue(threads=1, most_waiting=2)

    def fail(_: Job[None]) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        queue.add(fail, 60).future.result(60)
    assert queue.add(lambda _: "next", 60).future.result(60) == "next"


class Picture:
    """What a job holds."""


@pytest.mark.parametrize("begin", [Job.look, Job.run])
def test_a_job_that_failed_holds_what_was_wrong_and_nothing_else(
    begin: Callable[[Job[None]], None],
) -> None:
    def decode(picture: Picture) -> None:
        raise KeyError(type(picture).__name__)

    def fail() -> weakref.ref[Picture]:
        picture = Picture()

        def work(*_: object) -> None:
            try:
                decode(picture)
            except KeyError as error:
                raise ValueError("broken") from error

        job = Job(work, 60, work)
        begin(job)
        error = job.future.exception(0)
        assert isinstance(error, ValueError)
        assert "in decode" in str(error.__cause__)
        return weakref.ref(picture)

    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()


def test_closing_finishes_what_is_there_and_refuses_what_is_new() -> None:
    queue, gate = JobQueue(threads=1, most_waiting=2), Gate()
    jobs = [queue.add(gate.work, 60), queue.add(lambda _: "done", 60)]
    assert not queue.close(0.01)
    with pytest.raises(Refusal) as refused:
        queue.add(lambda _: "never", 60)
    assert refused.value.code == "stopping"
    gate.open.set()
    assert queue.close(60)
    assert [job.future.result(0) for job in jobs] == ["done", "done"]


def test_a_refusal_has_a_known_code() -> None:
    assert all(400 <= status < 600 for status in STATUSES.values())
    with pytest.raises(KeyError):
        Refusal("no_such_code", "")
