"""What processes tell of their work while they do it."""

from __future__ import annotations

from pathlib import Path

from ccnet.network import CCNet
from ccnet.runs.folders import plan
from ccnet.runs.pipeline import Task
from ccnet.runs.request import Request
from ccnet.runs.run import Report, Status, run_jobs
from ccnet.weights.files import save_model

from ..video.clips import photographs, write_clip


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
