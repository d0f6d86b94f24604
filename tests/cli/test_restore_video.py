"""`ccnet restore` on videos, as a program that is stopped and that lacks things."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from ccnet.network import CCNet
from ccnet.runs.manifest import NAME
from ccnet.weights.files import save_model

RUN = "from ccnet.cli.main import run; run()"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(CCNet(width=4, modules=1), path, {"task": "dehaze", "name": "tiny"})
    return path


def write_clip(path: Path, frames: int) -> Path:
    picture = np.asarray(Image.fromarray(data.astronaut()).resize((64, 48)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, 1), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def start(*arguments: str | os.PathLike[str], before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + RUN, "restore", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_folder_of_pictures_and_videos_good_and_bad(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    whole = write_clip(folder / "good.mp4", 10)
    short = write_clip(folder / "sub" / "short.mkv", 60)
    short.write_bytes(short.read_bytes()[:-900])
    (folder / "text.mov").write_text("no clip")
    Image.fromarray(data.astronaut()).resize((60, 40)).save(folder / "a.png")
    arguments = (folder, "-o", tmp_path / "out", "--model", weights, "--codec", "hevc")
    process = start(*arguments)
    out, errors = process.communicate()
    assert process.returncode == 1
    names = ["a.png", "good.mp4", "sub/short.mkv"]
    assert out.splitlines() == [str(tmp_path / "out" / name) for name in names]
    assert f"{whole}: 10 frames, " in errors
    assert " frames a second" in errors
    assert f"ccnet: {short} is cut short" in errors
    assert f"ccnet: {folder / 'text.mov'} cannot be read as a video" in errors
    assert "2 restored, 1 in part, 1 failed, " in errors
    with av.open(str(tmp_path / "out" / "good.mp4")) as container:
        assert container.streams.video[0].codec.canonical_name == "hevc"
    lines = (tmp_path / "out" / NAME).read_text().splitlines()
    sizes = {line["result"]: line["megapixels"] for line in map(json.loads, lines)}
    assert sizes["good.mp4"] == pytest.approx(10 * 64 * 48 / 1e6)
    assert sizes["a.png"] == pytest.approx(60 * 40 / 1e6)
    megapixels = re.search(r", ([\d.]+) megapixels in ", errors)
    assert megapixels
    assert float(megapixels[1]) == pytest.approx(sum(sizes.values()), abs=0.05)


@pytest.mark.slow
def test_a_clip_cut_short_is_done_once_and_told_each_time(weights: Path, tmp_path: Path) -> None:
    short = write_clip(tmp_path / "in" / "short.mkv", 60)
    whole = short.read_bytes()
    short.write_bytes(whole[:-900])
    arguments = (tmp_path / "in", "-o", tmp_path / "out", "--model", weights)
    told = []
    for status in ("restored", "done before", "done before"):
        process = start(*arguments, "--json")
        out, errors = process.communicate()
        assert process.returncode == 1
        line = json.loads(out)
        assert (line["status"], line["error"]) == (status, None)
        assert f"ccnet: {line['missing']}" in errors.splitlines()
        assert errors.splitlines()[-1].startswith("0 restored, 1 in part")
        told.append(line["missing"])
    assert f"{short} is cut short" in told[0]
    assert told == [told[0]] * 3
    short.write_bytes(whole)
    process = start(*arguments)
    _, errors = process.communicate()
    assert process.returncode == 0
    assert "1 restored, " in errors
    assert "in part" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing_under_the_name(
    weights: Path, tmp_path: Path, stopped_by: signal.Signals
) -> None:
    source = write_clip(tmp_path / "a.mp4", 400)
    process = start(source, "-o", tmp_path / "out" / "b.mp4", "--model", weights)
    while process.poll() is None and not list(tmp_path.glob("out/.ccnet-*")):
        time.sleep(0.02)
    process.send_signal(stopped_by)
    _, errors = process.communicate()
    assert process.returncode in (130, -signal.SIGKILL), errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "b.mp4").exists()
    if stopped_by == signal.SIGINT:
        assert list((tmp_path / "out").iterdir()) == []


SWALLOWING = """
import os, signal
from ccnet.restoration import Restorer
own = Restorer.restore_batch
def swallowing(*arguments):
    Restorer.restore_batch = own
    try:
        os.kill(os.getpid(), signal.SIGINT)
        list(range(9))
    except KeyboardInterrupt:
        pass
    return own(*arguments)
Restorer.restore_batch = swallowing
"""


@pytest.mark.slow
def test_ctrl_c_stops_a_run_in_which_a_library_catches_it(weights: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", 9)
    target = tmp_path / "out" / "b.mp4"
    process = start(source, "-o", target, "--model", weights, before=SWALLOWING)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert list(target.parent.iterdir()) == []


@pytest.mark.slow
def test_the_missing_extra_is_named(weights: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", 2)
    process = start(source, "--model", weights, before="import sys; sys.modules['av'] = None; ")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert 'Restoring videos needs av: pip install "ccnet-restore[video]"' in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("option", "value"), [("--codec", "mpeg2"), ("--crf", "99")])
def test_wrong_usage_is_told_before_any_work(tmp_path: Path, option: str, value: str) -> None:
    process = start(write_clip(tmp_path / "a.mp4", 2), option, value)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert f"{option.strip('-')}={value}" in errors
