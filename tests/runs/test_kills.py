"""Runs over folders that are killed or interrupted, and processes that die."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from multiprocessing import active_children
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from skimage import data

from ccnet.images import Picture, write_picture
from ccnet.network import CCNet
from ccnet.runs.folders import plan
from ccnet.runs.manifest import NAME
from ccnet.runs.request import Request
from ccnet.runs.run import Report, run_jobs
from ccnet.weights.files import save_model

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif", ".JPEG")
ODD_NAMES = ("new\nline", "Größe 東京 🌫", "n" * 240, "-o", "a'b\"c $HOME", "caf\udce9", " ")


@pytest.fixture(scope="module")
def weights(tiny_network: CCNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny_network, path, {"task": "dehaze", "name": "tiny"})
    return path


def picture(seed: int, height: int = 24, width: int = 32) -> Picture:
    row, column = np.random.default_rng(seed).integers(0, 400, 2)
    return Picture(np.ascontiguousarray(data.astronaut()[row:, column:][:height, :width]))


def make_folder(folder: Path, good: int, bad: int) -> None:
    """Pictures in all formats, broken ones, other files, links in loops, and odd names."""
    for index in range(good):
        below = folder / ("", "deep", "deep/er")[index % 3]
        below.mkdir(parents=True, exist_ok=True)
        stem = ODD_NAMES[index] if index < len(ODD_NAMES) else f"{index}"
        write_picture(picture(index), below / f"{stem}{SUFFIXES[index % 6]}")
    whole = (folder / "6.png" if good <= len(ODD_NAMES) else folder / "9.tif").read_bytes()
    for index in range(bad):
        content = (b"", b"no picture", whole[: 20 * index], os.urandom(300), b"GIF89a")[index % 5]
        (folder / f"bad {index}{SUFFIXES[index % 6]}").write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(whole)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "nowhere.png").symlink_to("gone.png")
    os.mkfifo(folder / "pipe.png")


def start(inputs: Path, output: Path, weights: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "restore"]
    command += [str(inputs), "-o", str(output), "--model", str(weights), "--engine", "torch"]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def lines_of(output: Path) -> list[str]:
    """The results that a manifest names, in whole lines."""
    if not (output / NAME).exists():
        return []
    lines = (output / NAME).read_bytes().split(b"\n")[:-1]
    return [json.loads(line)["result"] for line in lines if line]


def results_of(output: Path) -> dict[str, Path]:
    every = (path for path in output.rglob("*") if path.is_file() and path.name != NAME)
    return {os.fspath(path.relative_to(output)): path for path in every}


def wait_for_lines(process: subprocess.Popen[bytes], output: Path, count: int) -> None:
    while process.poll() is None and len(lines_of(output)) < count:
        time.sleep(0.002)


@pytest.mark.slow
def test_a_folder_is_finished_in_spite_of_five_kills(weights: Path, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    inputs, output = tmp_path / "in", tmp_path / "out"
    make_folder(inputs, good=220, bad=74)
    before: dict[str, tuple[int, int]] = {}
    for kill in range(5):
        process = start(inputs, output, weights, *["--workers", "2"] * (kill == 2))
        wait_for_lines(process, output, len(lines_of(output)) + moments.randrange(40))
        time.sleep(moments.random() * 0.05)
        assert process.poll() is None, f"ended before it was killed; seed {seed}"
        process.kill()
        process.communicate()  # ends when its workers have, too
        there = {name: path for name, path in results_of(output).items() if ".tmp" not in name}
        status = {
            name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in there.items()
        }
        assert status.items() >= before.items(), f"a result was made twice; seed {seed}"
        assert set(there) <= set(lines_of(output)), f"a result has no line; seed {seed}"
        before = status

    last = start(inputs, output, weights)
    _, told = last.communicate()
    whole, reference = start(inputs, tmp_path / "reference", weights), tmp_path / "reference"
    _, told_at_once = whole.communicate()
    assert (last.returncode, whole.returncode) == (1, 1)
    assert b"Traceback" not in told + told_at_once
    faults = [line for line in told_at_once.splitlines() if line.startswith(b"ccnet: ")]
    assert len(faults) == 74 + 3  # links to themselves and nowhere, and a pipe
    assert b"220 restored, 77 failed" in told_at_once.splitlines()[-1]
    assert [line for line in told.splitlines() if line.startswith(b"ccnet: ")] == faults

    results, expected = results_of(output), results_of(reference)
    assert results.keys() == expected.keys()
    assert len(expected) == 220
    for name, path in results.items():
        assert path.read_bytes() == expected[name].read_bytes(), f"{name!r}; seed {seed}"
    final = {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in results.items()}
    assert final.items() >= before.items(), f"a result was made twice; seed {seed}"
    counts = Counter(lines_of(output))
    assert set(counts) == set(results)
    assert counts.total() <= 220 + 5  # a kill may come between a line and its result
    assert max(Counter(lines_of(reference)).values()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_ctrl_c_stops_and_says_what_is_done(
    weights: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    inputs, output = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for index in range(300):
        write_picture(picture(index), inputs / f"{index}.png")
    process = start(inputs, output, weights, *options)
    wait_for_lines(process, output, 5)
    os.killpg(process.pid, signal.SIGINT)
    written, told = process.communicate()
    done = len(written.splitlines())
    assert process.returncode == 130
    assert told.decode().splitlines()[-2].startswith(f"{done} restored, {300 - done} not begun")
    assert told.decode().splitlines()[-1] == "ccnet: stopped."
    assert len(told.splitlines()) == 2
    assert len(results_of(output)) == done
    assert len(lines_of(output)) == done
    assert 5 <= done < 300


@pytest.mark.slow
def test_a_process_that_dies_costs_the_file_that_kills_it(weights: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for index in range(8):
        write_picture(picture(index), inputs / f"{index}.png")
    deadly = tmp_path / "deadly.png"  # whoever opens it is killed
    os.mkfifo(deadly)
    # Named alone it has no manifest, for which it would be read twice.
    jobs = plan([str(inputs)], tmp_path / "out", None)
    (killing,) = plan([str(deadly)], None, None)
    jobs.insert(4, killing)

    def kill_twice() -> None:
        for _ in range(2):
            writing = os.open(deadly, os.O_WRONLY)  # waits for a reader
            for child in active_children():
                child.kill()
                while child.is_alive():  # and has its end of the pipe open
                    time.sleep(0.01)
            os.close(writing)

    killer = Thread(target=kill_twice, daemon=True)
    killer.start()
    reports: list[Report] = []
    request = Request(model=str(weights), engine="torch", device="cpu")
    run_jobs(jobs, request, reports.append, workers=1)
    killer.join()
    assert Counter(report.job for report in reports) == Counter(jobs)
    (failed,) = [report for report in reports if report.fault is not None]
    assert failed.job == killing
    assert "ended the process" in str(failed.fault)
    assert len(results_of(tmp_path / "out")) == 8
    assert sorted(lines_of(tmp_path / "out")) == [f"{index}.png" for index in range(8)]
