"""Runs that go on where earlier ones stopped, and what each file comes to."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from ccnet.errors import PictureError
from ccnet.images import Picture, read_picture, write_picture
from ccnet.network import CCNet
from ccnet.placing import temporary_beside
from ccnet.runs.folders import plan
from ccnet.runs.manifest import NAME, Manifest, owner_of
from ccnet.runs.request import Request
from ccnet.runs.run import Report, Status, run_jobs
from ccnet.weights.files import save_model


@pytest.fixture(scope="module")
def request_tiny(tiny_network: CCNet, tmp_path_factory: pytest.TempPathFactory) -> Request:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny_network, path, {"task": "dehaze", "name": "tiny"})
    return Request(model=str(path), engine="torch", device="cpu")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for name in ("a.png", "b.jpg", "deep/c.tif"):
        photograph(folder / name)
    return folder


def photograph(path: Path, shift: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(np.roll(data.astronaut()[:40, 200:260], shift)), path, overwrite=True)


def run(
    inputs: Path, output: Path | None, request: Request, *, stop: bool = False
) -> dict[str, Report]:
    """Run over a folder; gives what became of each file, by its name."""
    reports: list[Report] = []
    request = replace(request, leave_clear=output is None)
    jobs = plan([str(inputs)], output, request.format, request.compare)
    run_jobs(jobs, request, reports.append, stop=stop)
    assert Counter(report.job for report in reports).most_common(1)[0][1] == 1
    for folder in filter(None, (inputs, output)):
        assert not list(folder.rglob(".ccnet-*.tmp*"))
    return {report.job.source.name: report for report in reports}


def statuses(reports: dict[str, Report]) -> dict[str, str]:
    return {name: report.status.name for name, report in reports.items()}


def test_the_same_run_again_does_nothing(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    for output in (tmp_path / "out", None):
        first = run(inputs, output, request_tiny)
        assert set(statuses(first).values()) == {"restored"}
        written = {report.job.target: report.job.target.stat() for report in first.values()}
        again = run(inputs, output, request_tiny)
        assert set(statuses(again).values()) == {"done"}
        assert {path: path.stat() for path in written} == written
        lines = ((output or inputs) / NAME).read_text().splitlines()
        assert len(lines) == 3


def test_only_what_changed_is_done_again(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    run(inputs, out, request_tiny)
    photograph(inputs / "a.png", shift=90)
    os.utime(inputs / "b.jpg", (1, 1))  # its content is the same
    (out / "deep" / "c.tif").unlink()
    photograph(inputs / "d.png")
    before = (out / "a.png").read_bytes()
    again = statuses(run(inputs, out, request_tiny))
    assert again == {"a.png": "restored", "b.jpg": "done", "c.tif": "restored", "d.png": "restored"}
    assert (out / "a.png").read_bytes() != before
    half = statuses(run(inputs, out, replace(request_tiny, strength=0.5)))
    assert set(half.values()) == {"restored"}


def test_another_model_under_the_same_name_counts_as_changed(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    path = tmp_path / "mine.safetensors"
    for width in (4, 8):
        network = CCNet(width=width, modules=1)
        save_model(network, path, {"task": "dehaze", "name": "mine"}, overwrite=True)
        reports = run(inputs, tmp_path / "out", replace(request_tiny, model=str(path)))
        assert set(statuses(reports).values()) == {"restored"}


def test_what_was_there_or_is_edited_is_kept_unless_it_may_be_overwritten(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    first = run(inputs, out, request_tiny)
    assert statuses(first) == {"a.png": "failed", "b.jpg": "restored", "c.tif": "restored"}
    assert "is there already" in str(first["a.png"].fault)
    (out / "b.jpg").write_text("edited")
    assert statuses(run(inputs, out, request_tiny))["b.jpg"] == "done"
    stronger = run(inputs, out, replace(request_tiny, strength=0.5))
    assert statuses(stronger) == {"a.png": "failed", "b.jpg": "failed", "c.tif": "restored"}
    assert (out / "a.png").read_text() == "mine"
    assert (out / "b.jpg").read_text() == "edited"
    forced = replace(request_tiny, strength=0.5, overwrite=True)
    assert statuses(run(inputs, out, forced)) == {
        "a.png": "restored",
        "b.jpg": "restored",
        "c.tif": "done",
    }


def test_a_result_that_was_emptied_is_made_again(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    run(inputs, out, request_tiny)
    os.truncate(out / "a.png", 0)  # as a power cut can leave it
    expected = {"a.png": "restored", "b.jpg": "done", "c.tif": "done"}
    assert statuses(run(inputs, out, request_tiny)) == expected
    assert (out / "a.png").stat().st_size


def test_a_result_goes_where_a_link_leads(
    inputs: Path, tmp_path: Path, request_tiny: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (elsewhere / "x.png").write_text("old")
    (out / "a.png").symlink_to(elsewhere / "x.png")
    replace_ = Path.replace

    def within_a_file_system(source: Path, target: Path) -> Path:
        assert source.parent == target.parent, "Invalid cross-device link"
        return replace_(source, target)

    monkeypatch.setattr(Path, "replace", within_a_file_system)
    forced = replace(request_tiny, overwrite=True, compare=True)
    assert set(statuses(run(inputs, out, forced)).values()) == {"restored"}
    assert (out / "a.png").is_symlink()
    assert read_picture(elsewhere / "x.png").pixels.shape == (40, 60, 3)
    assert not list(elsewhere.rglob(".ccnet-*.tmp*"))


def test_pictures_restored_in_place_are_not_restored_twice(
    inputs: Path, request_tiny: Request
) -> None:
    request = replace(request_tiny, overwrite=True)
    assert set(statuses(run(inputs, inputs, request)).values()) == {"restored"}
    assert set(statuses(run(inputs, inputs, request)).values()) == {"done"}


def test_a_line_without_its_result_and_a_cut_line_mean_nothing(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    run(inputs, out, request_tiny)
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])["result"]
    (out / NAME).write_bytes(b"".join(lines)[:-20])  # killed while it was written
    (out / last).unlink()
    again = statuses(run(inputs, out, request_tiny))
    assert Counter(again.values()) == {"done": 2, "restored": 1}
    assert set(statuses(run(inputs, out, request_tiny)).values()) == {"done"}


def test_a_kill_before_an_outdated_result_is_replaced(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    run(inputs, out, request_tiny)
    old = {path: (path.read_bytes(), path.stat()) for path in out.glob("?.*")}
    half = replace(request_tiny, strength=0.5)
    run(inputs, out, half)
    for path, (content, status) in old.items():  # as if only the lines had been written
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = statuses(run(inputs, out, half))
    assert again == {"a.png": "restored", "b.jpg": "restored", "c.tif": "done"}


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    lines = [b"[]", b"7", b"null", b'"a"', b'{"result": []}', b"\xff", b"", b"[" * 100_000]
    stamp = b'{"bytes": Infinity, "time": 0}'
    lines.append(b'{"result": "a.png", "written": %b, "replaced": null}' % stamp)
    (tmp_path / NAME).write_bytes(b"\n".join(lines) + b'\n{"result":"a.png"')
    manifest = Manifest(tmp_path)
    assert manifest.find(tmp_path / "a.png") is None
    manifest.close()


def test_a_folder_is_written_to_by_one_run(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    holding = Manifest(out)
    with pytest.raises(PictureError, match="another run"):
        run(inputs, out, request_tiny)
    holding.close()
    assert list(out.iterdir()) == []
    run(inputs, out, request_tiny)


def test_what_another_run_is_writing_below_is_left_alone(
    inputs: Path, request_tiny: Request
) -> None:
    deep, reports = inputs / "deep", list[Report]()
    ours, theirs = (
        temporary_beside(temporary_beside(deep / "c.tif", owner=owner_of(folder)), ".png")
        for folder in (inputs, deep)
    )
    ours.touch()
    theirs.touch()
    run_jobs(plan([str(inputs)], None, None), request_tiny, reports.append)
    assert (ours.exists(), theirs.exists()) == (False, True)
    written = [report.result.written for report in reports if report.result]
    assert all(path and path.name[:15] == ours.name[:15] != theirs.name[:15] for path in written)
    assert len(written) == 3
    run_jobs(plan([str(deep)], None, None), request_tiny, reports.append)
    assert not theirs.exists()


def test_a_clear_picture_is_looked_at_once(inputs: Path) -> None:
    write_picture(Picture(data.astronaut()[:256, 128:384]), inputs / "a.png", overwrite=True)
    request = Request(compare=True)
    for name in ("b.jpg", "deep/c.tif"):
        (inputs / name).unlink()
    assert statuses(run(inputs, None, request)) == {"a.png": "clear"}
    assert statuses(run(inputs, None, request)) == {"a.png": "done"}
    assert {path.name for path in inputs.glob("*.*")} == {NAME, "a.png"}


def test_comparisons_are_written_beside_results_and_made_up_for(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out, compare = tmp_path / "out", replace(request_tiny, compare=True)
    run(inputs, out, request_tiny)
    assert set(statuses(run(inputs, out, compare)).values()) == {"restored"}
    assert set(statuses(run(inputs, out, compare)).values()) == {"done"}
    both = read_picture(out / "a-compare.png").pixels
    assert np.array_equal(both[:, :60], read_picture(inputs / "a.png").pixels)
    assert np.array_equal(both[:, -60:], read_picture(out / "a.png").pixels)
    beside = run(inputs, None, compare)
    assert set(statuses(beside).values()) == {"restored"}
    assert set(statuses(run(inputs, None, compare)).values()) == {"done"}


def test_after_a_failure_nothing_more_is_begun_if_it_is_to_stop(
    tmp_path: Path, request_tiny: Request
) -> None:
    inputs = tmp_path / "in"
    for index in range(9):
        photograph(inputs / f"{index}.png")
    (inputs / "1.png").write_text("no picture")
    reports = run(inputs, tmp_path / "out", request_tiny, stop=True)
    assert statuses(reports)["0.png"] == "restored"
    assert statuses(reports)["1.png"] == "failed"
    assert len(reports) < 9  # those read or begun meanwhile are done
    assert set(statuses(reports).values()) == {"restored", "failed"}


def test_places_that_cannot_be_written_fail_alone(
    inputs: Path, tmp_path: Path, request_tiny: Request
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "deep").write_text("no folder")
    photograph(inputs / ("n" * 245 + ".png"))
    reports = run(inputs, out, request_tiny)
    assert statuses(reports)["c.tif"] == "failed"
    assert Counter(statuses(reports).values()) == {"restored": 3, "failed": 1}
    beside = run(inputs, None, request_tiny)  # where a name grows too long
    assert Counter(statuses(beside).values()) == {"restored": 3, "failed": 1}
    assert "too long" in str(beside["n" * 245 + ".png"].fault)
    with pytest.raises(PictureError, match="cannot be"):
        run(inputs, out / "deep" / "er", request_tiny)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can make a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_fails_files_until_there_is_room(
    small_disk: Path, tmp_path: Path, request_tiny: Request
) -> None:
    inputs, filler = tmp_path / "in", small_disk / "filler"
    for index in range(12):
        photograph(inputs / f"{index:02}.png")
    filler.write_bytes(bytes(30_000))
    first = run(inputs, small_disk / "out", request_tiny)
    counts = Counter(statuses(first).values())
    assert counts["restored"] > 0
    assert counts["failed"] > 0
    faults = [report.fault for report in first.values() if report.fault]
    assert all("no space left" in fault and ".tmp" not in fault for fault in faults)
    filler.unlink()
    for index in range(6, 12):
        (inputs / f"{index:02}.png").unlink()
    again = run(inputs, small_disk / "out", request_tiny)
    assert {report.status for report in again.values()} <= {Status.done, Status.restored}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_clear_picture_from_a_pipe_is_written_whole(tmp_path: Path) -> None:
    """As `<(command)` is one in a shell: it was empty when it was to be copied."""
    clear, pipe, out = (tmp_path / name for name in ("clear.png", "pipe.png", "out.png"))
    write_picture(Picture(data.astronaut()[:128, 160:320].copy()), clear)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[clear.read_bytes()])
    writer.start()
    reports: list[Report] = []
    run_jobs(plan([str(pipe)], out, None), Request(device="cpu"), reports.append)
    writer.join()
    assert [report.status for report in reports] == [Status.clear]
    assert out.read_bytes() == clear.read_bytes()
