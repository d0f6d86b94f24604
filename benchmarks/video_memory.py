"""Measure the peak memory of `ccnet restore` on clips of several lengths.

    python benchmarks/video_memory.py [--seconds 10 60] [--size 320x240] [--rate 10]

Each clip is made of a hazy photograph that the camera moves over, with sound, and restored by a
process of its own. Prints the frames, the seconds that it took, and its peak resident memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from made_clips import hazy_clip


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of restoring videos.")
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--rate", type=int, default=10)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds:
            source = Path(folder) / f"{seconds}.mp4"
            frames = seconds * options.rate
            hazy_clip(source, frames, (height, width), rate=options.rate)
            spent, peak = measured(source, Path(folder) / f"{seconds}-restored.mp4")
            print(f"{seconds} s, {frames} frames: {spent:.0f} s, peak {peak / 2**20:.0f} MiB")


def measured(source: Path, target: Path) -> tuple[float, int]:
    """Restore a clip in another process: seconds and bytes."""
    code = "from ccnet.cli.main import run; run()"
    command = [sys.executable, "-c", code, "restore", str(source), "-o", str(target)]
    started = time.monotonic()
    process = os.spawnv(os.P_NOWAIT, sys.executable, [*command, "--task", "dehaze"])
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit("The clip was not restored.")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - started, used.ru_maxrss * unit


if __name__ == "__main__":
    main()
