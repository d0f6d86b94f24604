"""Measure what two choices of the server cost: no batches, and no tiles smaller than memory asks.

    OMP_NUM_THREADS=1 python benchmarks/serving_choices.py PICTURE [--rounds 3]

Prints CPU seconds of the process, the least of the rounds: for a picture of 256 pixels alone and in
a batch of eight, each per picture; and for larger pictures, as the server takes them and in smaller
tiles, also of the longest part, which could not be stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.transform import resize

from ccnet.images import read_picture, to_srgb
from ccnet.restoration import Restorer
from ccnet.restoration.loading import load_engine
from ccnet.serving import Settings

SIZES = ((1024, 768), (1600, 1200))


def main() -> None:
    parser = argparse.ArgumentParser(description="The server's choices.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    picture = to_srgb(read_picture(options.picture))

    engine = load_engine("dehaze", engine="auto", device="cpu", precision="auto")
    console = Console(width=100)
    console.print(engine.description)
    table = Table("pictures of 256 pixels", "CPU s for each", box=None)
    small = resize(picture, (256, 256))[None].astype(np.float32)
    for count in (1, 8):
        batch = np.repeat(small, count, 0)
        seconds = least(partial(engine.restore, batch), options.rounds)
        table.add_row(str(count), f"{seconds / count:.3f}")
    console.print(table)

    table = Table("picture", "tile", "CPU s", "longest part, CPU s", box=None)
    for width, height in SIZES:
        large = resize(picture, (height, width)).astype(np.float32)
        for tile in (Settings.tile, "1024"):
            restorer, watch = Restorer("dehaze", device="cpu", tile=tile), Watch()
            seconds = least(partial(watch.run, restorer, large), options.rounds)
            table.add_row(f"{width} x {height}", tile, f"{seconds:.2f}", f"{watch.longest:.2f}")
    console.print(table)


class Watch:
    """Notes the most CPU seconds between two calls of a restorer's progress."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = 0.0

    def run(self, restorer: Restorer, picture: np.ndarray) -> None:
        self._last, self.longest = time.process_time(), 0.0
        restorer(picture, progress=self._note)

    def _note(self, _: float) -> None:
        now = time.process_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now


def least(run: Callable[[], object], rounds: int) -> float:
    """Give the least CPU seconds of some rounds, after one that does not count."""
    run()
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    main()
