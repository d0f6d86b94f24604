"""Kill runs over a folder of thousands of mixed files, and check what comes out in the end.

    python benchmarks/killed_runs.py [--files 3000] [--kills 5] [--seed 0] [--folder FOLDER]

Makes pictures of 32 to 96 pixels in all formats, depths and kinds, clips of a few frames, names
that are odd or long, and among them files that are broken, empty, cut, unreadable or something
else, folders with names of pictures, and links in loops. One run restores the folder undisturbed;
others are killed at random moments and started again, in one process and with `--workers 2`. Then
all good files must have results of the same bytes (clips: of as many frames), each moved into place
once, no temporary file may be left, and the last run must have one line for each bad file. A
network of 4 channels restores: files are what is tried here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data

from ccnet.images import Picture, write_picture
from ccnet.images.picture import Space
from ccnet.network import CCNet
from ccnet.runs.manifest import NAME
from ccnet.weights.files import save_model

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif", ".JPEG")
CLIPS = (".mp4", ".mov", ".m4v")
ODD_NAMES = (
    "new\nline",
    "Größe 東京 🌫",
    "n" * 250,
    "-o",
    "a'b\"c $HOME",
    "caf\udce9",
    " ",
    "ß" * 124,
)
COMMAND = (sys.executable, "-c", "from ccnet.cli.main import run; run()", "restore")


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill runs over many files.")
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Where to work; else a temporary folder.")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        good, bad = make_files(folder / "in", options.files, chance)
        torch.manual_seed(0)
        save_model(CCNet(width=4, modules=1), folder / "tiny.safetensors", {"task": "dehaze"})
        started = time.monotonic()
        faults, summary = finished(start(folder, "whole"))
        print(f"{good} good and {bad} bad files, {time.monotonic() - started:.0f} s: {summary}")
        assert len(faults) == bad, f"{len(faults)} lines for {bad} bad files"
        expected = contents(folder / "whole")
        assert len(expected) == good, f"{len(expected)} results of {good} good files"
        for workers in ((), ("--workers", "2")):
            output = "".join(("killed", *workers))
            killed(folder, output, workers, options.kills, chance, expected, faults)
            print(f"{' '.join(workers) or 'one process'}: nothing lost, nothing done twice")


def killed(
    folder: Path,
    name: str,
    workers: tuple[str, ...],
    kills: int,
    chance: random.Random,
    expected: dict[str, bytes],
    faults: list[bytes],
) -> None:
    """Run, kill, run on, and hold what is there to a run that was not killed."""
    output, good = folder / name, len(expected)
    before: dict[str, tuple[int, int]] = {}
    for kill in range(kills):
        process = start(folder, name, *workers)
        goal = len(lines_of(output)) + chance.randrange(good // (kills + 1))
        while process.poll() is None and len(lines_of(output)) < goal:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.1)
        assert process.poll() is None, "it ended before it was killed"
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()  # ends when its workers have, too
        there = stamps(output)
        print(f"  killed with {len(there)} results there", flush=True)
        assert there.items() >= before.items(), "a result was made twice"
        assert there.keys() <= set(lines_of(output)), "a result has no line"
        before = there
    found, summary = finished(start(folder, name, *workers))
    print(f"  {summary}")
    assert found == faults, f"lines on bad files differ: {set(found) ^ set(faults)}"
    assert stamps(output).items() >= before.items(), "a result was made twice"
    others = {name for name, _ in contents(output).items() ^ expected.items()}
    assert not others, f"not as in the run that was not killed: {sorted(others)}"
    lines = Counter(lines_of(output))
    assert lines.keys() == expected.keys()
    assert lines.total() <= good + kills, "more lines than kills between a line and its move"
    found, summary = finished(start(folder, name, *workers))
    assert found == faults
    assert f"0 restored, {good} done before, {len(faults)} failed" in summary, summary


def start(folder: Path, output: str, *options: str) -> subprocess.Popen[bytes]:
    """Begin a run over `in` into a folder beside it."""
    return subprocess.Popen(
        [
            *COMMAND,
            "in",
            "-o",
            output,
            "--model",
            "tiny.safetensors",
            "--engine",
            "torch",
            *options,
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finished(process: subprocess.Popen[bytes]) -> tuple[list[bytes], str]:
    """Wait for a run: its lines on what failed, in order, and its summary."""
    lines = process.communicate()[1].splitlines()
    assert process.returncode == 1, lines[-5:]
    return sorted(line for line in lines if line.startswith(b"ccnet: ")), lines[-1].decode()


def lines_of(output: Path) -> list[str]:
    """List the results that a manifest names, in whole lines."""
    if not (output / NAME).exists():
        return []
    lines = (output / NAME).read_bytes().split(b"\n")[:-1]
    return [json.loads(line)["result"] for line in lines if line]


def stamps(output: Path) -> dict[str, tuple[int, int]]:
    """Tell results apart by their inodes and times, as long as runs go on."""
    there = ((name, path) for name, path in files_of(output).items() if ".ccnet-" not in name)
    return {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in there}


def contents(output: Path) -> dict[str, bytes]:
    """Read all that a run has left, temporary files too; of clips only how many frames they have.

    x264 writes the same frames in one of several ways.
    """
    return {
        name: frames_of(path) if path.suffix in CLIPS else path.read_bytes()
        for name, path in files_of(output).items()
    }


def frames_of(clip: Path) -> bytes:
    with av.open(str(clip)) as container:
        return b"%d frames" % sum(1 for _ in container.decode(video=0))


def files_of(output: Path) -> dict[str, Path]:
    every = (path for path in output.rglob("*") if path.is_file() and path.name != NAME)
    return {os.fspath(path.relative_to(output)): path for path in every}


def make_files(folder: Path, count: int, chance: random.Random) -> tuple[int, int]:
    """Make the folder; gives how many files in it are good and how many bad."""
    good = 0
    wholes: list[bytes] = []
    for index in range(count):
        below = folder / ("", "deep", "deep/er", "folder.png")[index % 4]
        below.mkdir(parents=True, exist_ok=True)
        stem = ODD_NAMES[index] if index < len(ODD_NAMES) else f"{index}"
        if index % 100 == 50:
            make_clip(below / f"{stem}{CLIPS[index // 100 % len(CLIPS)]}", index)
        elif index % 5 == 4 and index > len(ODD_NAMES):
            make_bad(below / f"bad {index}", chance, chance.choice(wholes))
            continue
        else:
            path = below / f"{stem}{chance.choice(SUFFIXES)}"
            write_picture(picture(chance, path.suffix), path)
            wholes.append(path.read_bytes())
        good += 1
    bad = count - good
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(wholes[0])
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "deep" / "loop.jpg").symlink_to("../deep", target_is_directory=True)
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "nowhere.png").symlink_to("gone.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "unreadable.png").write_bytes(wholes[0])
    (folder / "unreadable.png").chmod(0)
    readable = os.access(folder / "unreadable.png", os.R_OK)  # by root, for one
    return good + readable, bad + 3 + (not readable)


def make_bad(path: Path, chance: random.Random, whole: bytes) -> None:
    """Write what is no picture, or was one."""
    kind = chance.randrange(6)
    content = (
        b"",
        b"no picture",
        whole[: chance.randrange(1, len(whole) * 2 // 3)],
        chance.randbytes(300),
        b"GIF89a",
        b"#EXTM3U\nclip.mp4\n",
    )[kind]
    Path(f"{path}{'.mp4' if kind == 5 else chance.choice(SUFFIXES)}").write_bytes(content)


def picture(chance: random.Random, suffix: str) -> Picture:
    """Cut out of a photograph: of some size and depth, some gray, some with alpha."""
    height, width = chance.randrange(32, 97), chance.randrange(32, 97)
    row, column = chance.randrange(400), chance.randrange(400)
    pixels: NDArray[np.uint8 | np.uint16] = data.astronaut()[
        row : row + height, column : column + width
    ]
    bits = 8
    space: Space = "rgb"
    if chance.random() < 0.2:
        pixels, space = pixels[:, :, :1], "gray"
    if suffix in (".png", ".tif") and chance.random() < 0.3:
        pixels, bits = pixels.astype(np.uint16) * 257, 16
    alpha = None
    if suffix not in (".jpg", ".JPEG") and chance.random() < 0.3:
        alpha = np.flip(pixels[:, :, 0]).copy()
    return Picture(np.ascontiguousarray(pixels), alpha, space=space, bits=bits)


def make_clip(path: Path, shift: int) -> None:
    """Write a clip of a few frames."""
    with av.open(str(path), "w", format="mov" if path.suffix == ".mov" else "mp4") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        for index in range(3 + shift % 3):
            pixels = np.roll(data.astronaut()[:48, :64], index + shift, 1)
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))))
        container.mux(video.encode(None))


if __name__ == "__main__":
    main()
