"""Runs on a Ray cluster of two nodes, and what becomes of files when one of them is killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from skimage import data

from ccnet.errors import UsageError
from ccnet.images import Picture, write_picture
from ccnet.runs.cluster import _connected
from ccnet.runs.manifest import NAME

from ..clusters import two_nodes

GOOD = 48


def make_folder(folder: Path) -> None:
    (folder / "deep").mkdir(parents=True)
    for index in range(GOOD):
        pixels = np.roll(data.astronaut()[:64, 200:264], index)
        write_picture(Picture(pixels), folder / ("deep" if index % 2 else "") / f"{index}.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:200])
    (folder / "nothing.jpg").write_bytes(b"")


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def start(
    inputs: object, output: Path, *options: str, cwd: Path | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "restore"]
    return subprocess.Popen(
        [*command, str(inputs), "-o", str(output), "--task", "dehaze", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=cwd,
    )


def at_work(node: Any) -> list[int]:
    """The processes of a node that restore just now."""
    (raylet,) = node.all_processes["raylet"]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            title = (process / "cmdline").read_text()
        except OSError:
            continue
        if parent == raylet.process.pid and re.match(r"ray::MapWorker.*\.submit", title):
            found.append(int(process.name))
    return found


def lines_of(output: Path) -> list[dict[str, Any]]:
    path = output / NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def results_of(output: Path) -> dict[str, bytes]:
    files = (path for path in output.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_a_node_that_is_killed_takes_no_file_along(tmp_path: Path) -> None:
    inputs, output, reference = tmp_path / "in", tmp_path / "out", tmp_path / "reference"
    make_folder(inputs)
    expected = start(inputs, reference)
    _, told_alone = expected.communicate()
    with two_nodes() as (cluster, node), web_server(inputs) as address:
        process = start(address, output, "--cluster", cluster.address)
        while process.poll() is None and not (lines_of(output) and at_work(node)):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        assert process.poll() is None, process.communicate()
        before = len(lines_of(output))
        written, told = process.communicate()
        again = start(inputs, output, "--cluster", cluster.address)
        _, told_again = again.communicate()
        # The cluster was started in another folder than that of the command.
        relative = start("in/0.png", Path("near"), "--cluster", cluster.address, cwd=tmp_path)
        _, told_near = relative.communicate()
    assert (tmp_path / "near/0.png").read_bytes() == (reference / "0.png").read_bytes(), told_near
    assert (expected.returncode, process.returncode, again.returncode) == (1, 1, 1)
    assert before < GOOD
    assert f"{GOOD} restored, 2 failed" in told.splitlines()[-1], told
    assert len(told.splitlines()) == 3, told
    assert {line.replace(address, f"{inputs}/") for line in told.splitlines()[:-1]} == set(
        told_alone.splitlines()[:-1]
    )
    assert len(set(written.splitlines())) == GOOD
    assert results_of(output) == results_of(reference)
    assert Counter(line["result"] for line in lines_of(output)) == Counter([*results_of(reference)])
    assert f"0 restored, {GOOD} done before, 2 failed" in told_again


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "2"], "--workers"),
        (["--devices", "cpu,cpu"], "--devices"),
        (["--device", "cuda:1"], "--device cuda:1"),
        (["--compare"], "--compare"),
        (["--cluster", "ray://127.0.0.1:9"], "ray job submit"),
        (["--cluster", "127.0.0.1:9"], "--cluster 127.0.0.1:9 cannot be connected to"),
    ],
)
def test_options_that_make_no_sense_with_a_cluster_are_told(
    tmp_path: Path, options: list[str], told: str
) -> None:
    write_picture(Picture(data.astronaut()[:64, 200:264]), tmp_path / "a.png")
    process = start(tmp_path, tmp_path / "out", "--cluster", "local", *options)
    _, error = process.communicate()
    assert process.returncode == 2
    assert len(error.splitlines()) == 1
    assert told in error


def test_a_cluster_of_another_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Version mismatch:\n  cluster: Ray 1\n  this process: Ray 2.")

    monkeypatch.setattr(ray, "init", refuse)
    with (
        pytest.raises(
            UsageError, match=r": Version mismatch: cluster: Ray 1 this process: Ray 2\.$"
        ),
        _connected("local"),
    ):
        pytest.fail("connected")
