"""Runs from and to what fsspec reaches: here its files in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from ccnet.errors import PictureError, UsageError
from ccnet.images import Picture, write_picture
from ccnet.network import CCNet
from ccnet.runs import cluster
from ccnet.runs.folders import plan
from ccnet.runs.manifest import NAME
from ccnet.runs.pipeline import Task
from ccnet.runs.request import Request
from ccnet.runs.run import Report, run_jobs
from ccnet.runs.stores import StoreManifest, locate
from ccnet.weights.files import save_model


class _Calls:
    """An actor of Ray, but in this process."""

    def __init__(self, actor: object) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)
        return type("", (), {"remote": staticmethod(method)})


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one actor in this process do all batches."""
    import ray

    def run(tasks: Any, request: Request, deliver: Callable[..., bool], _: str) -> None:
        count = _Calls(cluster._Begun())
        actor = cluster._Actor(request, request.identities(), count)
        for batch in cluster._batches(list(tasks), 1):
            if not deliver(*actor._do(batch)):
                return

    monkeypatch.setattr(ray, "get", lambda value: value)
    monkeypatch.setattr(cluster, "run_cluster", run)


@pytest.fixture(scope="module")
def request_tiny(tiny_network: CCNet, tmp_path_factory: pytest.TempPathFactory) -> Request:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny_network, path, {"task": "dehaze", "name": "tiny"})
    return Request(model=str(path), engine="torch", device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory with pictures, and one that is none."""
    from fsspec.implementations.memory import MemoryFileSystem

    folder = locate("memory://bucket/in")
    for index, name in enumerate(("a.png", "b [1].jpg", "deep/c é.tif", "deep/.hidden/d.png")):
        file = tmp_path / f"{index}{Path(name).suffix}"
        write_picture(Picture(np.roll(data.astronaut()[:40, 200:260], index)), file)
        put(folder / name, file.read_bytes())
    put(folder / "bad.png", b"no picture")
    put(folder / "notes.txt", b"no picture")
    yield folder
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def run(source: Path, target: Path, request: Request) -> dict[str, str]:
    """Run over a folder; gives what became of each file, by its name."""
    reports: list[Report] = []
    run_jobs(plan([str(source)], target, None), request, reports.append, cluster="")
    assert not [name for name in contents(target) if ".tmp" in name]
    return {report.job.source.name: report.status.name for report in reports}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in contents(folder)[NAME].splitlines()]


RESTORED = {"a.png": "restored", "b [1].jpg": "restored", "c é.tif": "restored"}
DONE = dict.fromkeys(RESTORED, "done")
FAILED = {"bad.png": "failed"}


def test_results_are_those_of_a_run_on_this_machine(
    store: Path, tmp_path: Path, request_tiny: Request
) -> None:
    here = tmp_path / "in"
    for name, content in contents(store).items():
        put(here / name, content)
    run_jobs(plan([str(here)], tmp_path / "out", None), request_tiny, print)
    expected = {name: it for name, it in contents(tmp_path / "out").items() if name != NAME}
    out = locate("memory://bucket/out")
    places = (store, out), (store, tmp_path / "fetched"), (here, locate("memory://bucket/sent"))
    for source, target in places:
        assert run(source, target, request_tiny) == RESTORED | FAILED
        written = contents(target)
        assert Counter(line["result"] for line in lines(target)) == Counter([*expected])
        del written[NAME]
        assert written == expected
        assert run(source, target, request_tiny) == DONE | FAILED
    assert run(here, out, request_tiny) == DONE | FAILED  # for the content is the same


def test_only_what_changed_is_done_again(store: Path, request_tiny: Request) -> None:
    out = locate("memory://bucket/out")
    run(store, out, request_tiny)
    put(store / "b [1].jpg", (store / "deep/.hidden/d.png").read_bytes())
    (out / "a.png").unlink()
    put(out / "deep/c é.tif", b"edited")
    changed = {"a.png": "restored", "b [1].jpg": "restored", "c é.tif": "done"}
    assert run(store, out, request_tiny) == changed | FAILED
    assert (out / "deep/c é.tif").read_bytes() == b"edited"
    put(store / "deep/c é.tif", (store / "a.png").read_bytes())
    assert run(store, out, request_tiny) == DONE | {"c é.tif": "failed"} | FAILED
    assert (out / "deep/c é.tif").read_bytes() == b"edited"


@pytest.mark.parametrize("step", ["move", "flush", "close"])
def test_a_run_that_is_killed_is_gone_on_with(
    store: Path, request_tiny: Request, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    out = locate("memory://bucket/out")
    put(out / "a.png", b"")  # an older result, of nothing

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StoreManifest, "close", kill)
        if step == "flush":
            patch.setattr(StoreManifest, "flush", kill)
        if step == "move":
            patch.setattr("ccnet.runs.run.move", kill)
        with pytest.raises(Killed):
            run(store, out, Request(**{**vars(request_tiny), "overwrite": True}))
    left = contents(out)
    assert (NAME in left) is False
    assert any(name.startswith(NAME) for name in left) == (step != "flush")
    again = run(store, out, Request(**{**vars(request_tiny), "overwrite": True}))
    assert again == (DONE if step == "close" else RESTORED) | FAILED
    assert set(contents(out)) == {NAME, "a.png", "b [1].jpg", "deep/c é.tif"}
    assert run(store, out, request_tiny) == DONE | FAILED


def test_lines_of_a_run_that_was_killed_are_not_written_over(
    store: Path, request_tiny: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, out = (locate(f"memory://bucket/{name}") for name in ("one", "two", "out"))
    for folder, name in ((one, "a.png"), (two, "a.png"), (two, "b.png")):
        put(folder / name, (store / "a.png").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(StoreManifest, "close", lambda _: None)
        run(one, out, request_tiny)
    assert [name for name in contents(out) if name.startswith(NAME)] == [f"{NAME}.000000001"]
    assert run(two, out, request_tiny) == {"a.png": "done", "b.png": "restored"}
    assert run(two, out, request_tiny) == {"a.png": "done", "b.png": "done"}


@pytest.mark.parametrize("output", ["memory://bucket", "memory://bucket/in"])
def test_an_output_above_its_inputs_is_no_earlier_result(store: Path, output: str) -> None:
    jobs = plan([str(store)], locate(output), None)
    assert len(jobs) == len(plan([str(store)], locate("memory://elsewhere"), None)) > 1
    assert all(job.fault is None for job in jobs)


def test_a_copy_of_the_manifest_is_no_part_of_it(store: Path, request_tiny: Request) -> None:
    out = locate("memory://bucket/out")
    put(out / f"{NAME}.bak", b"kept by somebody")
    assert run(store, out, request_tiny) == RESTORED | FAILED
    assert (out / f"{NAME}.bak").read_bytes() == b"kept by somebody"
    assert run(store, out, request_tiny) == DONE | FAILED


def test_what_cannot_be_reached_is_told_in_a_sentence(request_tiny: Request) -> None:
    with pytest.raises(UsageError, match=r"^nowhere://x cannot be opened: .*\.$"):
        locate("nowhere://x")
    out = locate("memory://bucket/out")
    reports: list[Report] = []
    jobs = plan(["http://127.0.0.1:9/x.png"], out, None)
    run_jobs(jobs, request_tiny, reports.append, cluster="")
    (report,) = reports
    assert str(report.fault).startswith("http://127.0.0.1:9/x.png ")
    assert "\n" not in str(report.fault)


def test_an_output_that_cannot_be_looked_at_is_told_in_a_sentence(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise _NoCredentialsError("Unable to locate credentials")

    out = locate("memory://bucket/out.png")
    monkeypatch.setattr(type(out), "is_dir", refuse)
    with pytest.raises(PictureError, match=r"out\.png cannot be read: Unable to locate cred.*\.$"):
        plan([str(store / "a.png")], out, None)


class _NoCredentialsError(Exception):
    """One as botocore's, which is no OSError."""


def test_a_file_that_ends_processes_is_given_up_and_the_others_are_not(
    store: Path, request_tiny: Request
) -> None:
    count = cluster._Begun()
    actor = cluster._Actor(request_tiny, request_tiny.identities(), _Calls(count))
    jobs = plan([str(store)], locate("memory://bucket/out"), None)
    tasks = [Task(number, job) for number, job in enumerate(jobs)]
    for _ in range(3):  # as where its process ended each time
        count.begin(1)
    count.begin(2)
    results = {result.number: result for result in actor._do(tasks)}
    assert [results[number].fault is None for number in range(4)] == [True, False, False, True]
    assert "ended 3 processes" in str(results[1].fault)
    assert not count.any_of([0, 1, 2, 3])


def test_other_weights_on_another_machine_are_an_error(request_tiny: Request) -> None:
    picture, video = request_tiny.identities()
    actor = cluster._Actor(request_tiny, ({**picture, "weights": "other"}, video), None)
    assert "other files of the model" in str(actor._error)
