"""Restore a folder in one process and with `--workers`: seconds, CPU seconds and memory.

    OMP_NUM_THREADS=1 python benchmarks/workers.py [--pictures 40] [--size 640x480] [--workers 1 2]

Prints for each way how long it took, starting included, the CPU time of all processes together, and
the peak resident memory of the largest of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from skimage import data
from skimage.transform import resize

from ccnet.images import Picture, write_picture

_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="What --workers cost and bring.")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--workers", nargs="+", default=["1", "2"])
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    whole = (resize(data.astronaut(), (height, width)) * 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        for number in range(options.pictures):
            write_picture(Picture(np.roll(whole, number, 1)), folder / "in" / f"{number}.jpg")
        for ways in ([], *(["--workers", count] for count in options.workers)):
            with get_context("spawn").Pool(1) as process:  # of which all that ran are children
                seconds, cpu, peak = process.apply(measured, (folder, ways))
            name = " ".join(ways) or "one process"
            print(f"{name}: {seconds:.1f} s, {cpu:.1f} s of CPU time, {peak / 2**20:.0f} MiB")


def measured(folder: Path, ways: list[str]) -> tuple[float, float, int]:
    """Restore the folder: seconds, CPU seconds and bytes."""
    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "restore", "in"]
    command += ["-o", "out" + "".join(ways), "--task", "dehaze", *ways]
    started = time.monotonic()
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.monotonic() - started
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * _UNIT


if __name__ == "__main__":
    main()
