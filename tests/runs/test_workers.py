"""What processes tell of their work while they do it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from skimage import data

from ccnet.images import Picture, write_picture
from ccnet.network import CCNet
from ccnet.restoration.restorer import Restorer
from ccnet.runs.folders import plan
from ccnet.runs.pipeline import Result, Task
from ccnet.runs.request import Request
from ccnet.runs.run import Report, Status, run_jobs
from ccnet.runs.workers import run_workers
from ccnet.weights.files import save_model

from ..video.clips import photographs, write_clip


@pytest.mark.slow
def test_processes_tell_how_far_they_are_and_how_fast(tiny_network: CCNet, tmp_path: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    save_model(tiny_network, weights, {})
    (tmp_path / "in").mkdir()
    for name in ("a.mkv", "b.mkv"):
        write_clip(tmp_path / "in" / name, photographs(150))
    told: dict[str, list[tuple[float, str]]] = {}
    reports: list[Report] = []

    def progress(task: Task, share: float, speed: str) -> None:
        told.setdefault(task.job.source.name, []).append((share, speed))

    request = Request(model=str(weights), engine="torch", device="cpu")
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", None)
    run_jobs(jobs, request, reports.append, workers=2, progress=progress)
    assert [report.status for report in reports] == [Status.restored] * 2
    assert set(told) == {"a.mkv", "b.mkv"}
    for shares in told.values():
        assert [share for share, _ in shares] == sorted(share for share, _ in shares)
        assert all(0 <= share <= 1 for share, _ in shares)
        assert "frames a second" in shares[-1][1]


class BrokenRestorer:
    """Fails for pictures 41 pixels wide; what it tells of wider ones cannot be sent."""

    engine: object = "none"

    def restore_picture(self, picture: Picture, *, progress: object = None) -> Picture:
        width = picture.pixels.shape[1]
        if width == 41:
            raise RuntimeError("broken")
        self.engine = (lambda: None) if width > 41 else "none"
        return picture


class BrokenRequest(Request):
    """Loads what fails, in the processes that it goes to."""

    def load(self) -> Restorer:
        return cast("Restorer", BrokenRestorer())


@pytest.mark.slow
def test_what_nobody_expected_costs_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # for the processes to find this file
    (tmp_path / "in").mkdir()
    for index, width in enumerate((40, 41, 40, 42, 40)):
        pixels = np.ascontiguousarray(data.astronaut()[:40, :width])
        write_picture(Picture(pixels), tmp_path / "in" / f"{index}.png")
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", None)
    tasks = iter([Task(number, job) for number, job in enumerate(jobs)])
    results: dict[int, Result] = {}

    def deliver(result: Result) -> None:
        assert results.setdefault(result.number, result) is result

    run_workers(tasks, BrokenRequest(model="none"), deliver, count=1, devices=())
    faults = [results[number].fault for number in range(5)]
    assert faults[0] is faults[2] is faults[4] is None
    assert faults[1] == "There was an unexpected error, RuntimeError: broken."
    assert "in restore_picture" in str(results[1].trace)
    assert str(faults[3]) == f"{jobs[3].source} ended the process that restored it."
