"""What `--ensemble` gains on degraded photographs, and what it costs.

    python benchmarks/ensemble.py PHOTOS

PHOTOS is a folder of clear photographs; those in its VAL.txt, if it has one. They are degraded as
`ccnet benchmark quality` does in its middle strength, and restored from left to right, both ways
as `--ensemble` does, and both ways also upside down. PSNR in dB; CPU time against one way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ccnet.datasets.photographs import photographs_to_measure
from ccnet.degradation.blur import cut_margin
from ccnet.evaluation.conditions import KINDS, degraded, read_framed
from ccnet.evaluation.measuring import pixels_of
from ccnet.evaluation.quality import SIZE
from ccnet.restoration import Restorer

Floats = NDArray[np.float32]


def psnr(first: Floats, second: Floats) -> float:
    """Take both as 8 bits, which is how pictures are kept."""
    difference = np.rint(255.0 * first) - np.rint(255.0 * second)
    return float(-10 * np.log10(np.mean(difference**2) / 255**2))


def ways_of(task: str) -> tuple[Callable[[Floats], Floats], ...]:
    one_way, both_ways = (Restorer(task, ensemble=each) for each in (False, True))

    def as_it_is(picture: Floats) -> Floats:
        return picture

    def upside_down(picture: Floats) -> Floats:
        flipped: Floats = both_ways(picture[::-1].copy())[::-1]
        mean: Floats = (both_ways(picture) + flipped) * np.float32(0.5)
        return mean

    return as_it_is, one_way, both_ways, upside_down


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    photographs = photographs_to_measure(parser.parse_args().photos)

    print("| | input | one way | both ways | and upside down | CPU time of both ways |")
    print("|---|---|---|---|---|---|")
    for name, kind in KINDS.items():
        ways = ways_of(kind.task)
        scores: list[list[float]] = [[] for _ in ways]
        seconds = [0.0] * len(ways)
        for path in photographs:
            framed = read_framed(path, SIZE)
            clean = pixels_of(cut_margin(framed))
            picture = pixels_of(degraded(framed, path.name, name, kind.strengths[1]))
            for index, way in enumerate(ways):
                started = time.process_time()
                scores[index].append(psnr(way(picture), clean))
                seconds[index] += time.process_time() - started
        means = " | ".join(f"{fmean(each):.2f}" for each in scores)
        print(f"| {name} | {means} | {seconds[2] / seconds[1]:.2f} |")


if __name__ == "__main__":
    main()
