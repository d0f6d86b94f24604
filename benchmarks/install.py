"""How long ccnet takes to install and how much room it takes: python benchmarks/install.py [EXTRA].

Builds the wheel and installs it into a fresh environment, with every package fetched anew.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def megabytes(folder: Path) -> float:
    """What the files below a folder take on disk."""
    files = (path.lstat() for path in folder.rglob("*") if path.is_file())
    return sum(file.st_blocks for file in files) * 512 / 1e6


def main(extra: str = "") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", name]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=True)
        before = megabytes(folder / "venv")
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        wanted = f"{wheel}[{extra}]" if extra else str(wheel)
        install = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--no-cache-dir"]
        subprocess.run([*install, wanted], check=True, capture_output=True)
        seconds = time.monotonic() - started
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
        size = megabytes(folder / "venv") - before
    print(f"{size:.0f} MB on disk, {seconds:.0f} s, of them {cpu:.0f} CPU seconds")


if __name__ == "__main__":
    main(*sys.argv[1:2])
