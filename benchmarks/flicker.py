"""Measure how much restored frames flicker, steadied and one by one.

    OMP_NUM_THREADS=1 python benchmarks/flicker.py [--frames 24] [--model dehaze]

Clips of 320x240 at 24 frames a second are made of photographs behind haze: the camera stands still
or sways as a hand that holds it, something dark passes, and each frame has noise of its own. Since
the camera's way is known, each two frames are laid over each other exactly, without what passes;
where they differ, that is flicker. The frames are

- hazy: as they were;
- one by one: each restored by itself;
- averages: restored with the network's whole-picture averages smoothed over time, measured twice
  a second (which costs a quarter more);
- steadied: as `ccnet restore` does;
- both: the last two together.

Prints, in levels of 255, the average difference of pixels, of squares of 16 pixels (what is seen as
flicker, where pixels show the noise) and of whole frames; and the PSNR to the frames without haze.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np
from made_clips import Pixels, Scene
from rich.console import Console
from rich.table import Table
from skimage import data

from ccnet.restoration.engines import Engine
from ccnet.restoration.grid import SMALLEST_SIDE
from ccnet.restoration.loading import load_engine
from ccnet.video.steady import Steady

SIZE = np.array([240, 320])
RATE = 24
BETWEEN = 12
"""Frames from one measurement of averages to the next."""

LASTING = 1.0
"""Seconds over which averages are smoothed."""

SQUARE = 16
AROUND = 10
"""Pixels around what passes that are not compared."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Flicker of restored frames.")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--model", default="dehaze")
    options = parser.parse_args()
    engine = load_engine(options.model, engine="auto", device="cpu", precision="float32")
    table = Table("camera", "frames", "pixels", "squares", "whole", "PSNR", box=None)
    for moving in (False, True):
        rows: dict[str, list[tuple[float, ...]]] = {}
        for photograph in (data.astronaut(), data.coffee()):
            scene = Scene(photograph, (240, 320), options.frames, moving)
            frames, clear = zip(*map(scene.frame, range(options.frames)), strict=True)
            for name, restored in all_ways(engine, frames).items():
                measured = (*flicker(restored, scene), psnr(restored, clear))
                rows.setdefault(name, []).append(measured)
        for name, values in rows.items():
            means = np.mean(values, axis=0)
            table.add_row("moving" if moving else "still", name, *(f"{mean:.2f}" for mean in means))
    Console(width=100).print(table)


def all_ways(engine: Engine, frames: Sequence[Pixels]) -> dict[str, Sequence[Pixels]]:
    alone = [engine.restore(frame[None])[0] for frame in frames]
    pinned = with_smoothed_averages(engine, frames)
    return {
        "hazy": frames,
        "one by one": alone,
        "averages": pinned,
        "steadied": steadied(frames, alone),
        "both": steadied(frames, pinned),
    }


def with_smoothed_averages(engine: Engine, frames: Sequence[Pixels]) -> list[Pixels]:
    restored = []
    measured = smoothed = engine.measure(frames[0], SMALLEST_SIDE)
    for index, frame in enumerate(frames):
        if index and index % BETWEEN == 0:
            measured = engine.measure(frame, SMALLEST_SIDE)
        smoothed = measured + math.exp(-1 / RATE / LASTING) * (smoothed - measured)
        restored.append(engine.restore(frame[None], smoothed)[0])
    return restored


def steadied(frames: Sequence[Pixels], restored: Sequence[Pixels]) -> list[Pixels]:
    steady = Steady()
    return [
        (before + steady(before, after - before, index / RATE)).clip(0, 1)
        for index, (before, after) in enumerate(zip(frames, restored, strict=True))
    ]


def flicker(frames: Sequence[Pixels], scene: Scene) -> tuple[float, float, float]:
    """Average differences between consecutive frames: of pixels, squares and whole frames."""
    differences = [difference(frames, scene, index) for index in range(1, len(frames))]
    pixels, squares, whole = np.mean(differences, axis=0) * 255
    return pixels, squares, whole


def difference(frames: Sequence[Pixels], scene: Scene, index: int) -> tuple[float, float, float]:
    corners = scene.corners[index - 1 : index + 1]
    top, left = corners.max(axis=0)
    bottom, right = corners.min(axis=0) + SIZE
    both = []
    seen = np.ones((bottom - top, right - left), bool)
    for each, (y, x) in zip((index - 1, index), corners, strict=True):
        place = np.s_[top - y : bottom - y, left - x : right - x]
        both.append(frames[each][place])
        still = np.ones(tuple(SIZE), bool)
        rows, columns = scene.passing(each)
        still[
            max(0, rows.start - AROUND) : rows.stop + AROUND,
            max(0, columns.start - AROUND) : columns.stop + AROUND,
        ] = False
        seen &= still[place]
    changed = (both[1] - both[0]) * seen[:, :, None]
    sums, counts = in_squares(changed), in_squares(seen[:, :, None])
    enough = counts[:, :, 0] > SQUARE**2 / 2
    squares = np.abs(sums[enough] / counts[enough]).mean()
    whole = np.abs(changed.sum((0, 1)) / seen.sum()).mean()
    return np.abs(changed).sum() / seen.sum() / 3, squares, whole


def in_squares(values: Pixels) -> Pixels:
    """Sum (H, W, C) over whole squares."""
    rows, columns = values.shape[0] // SQUARE, values.shape[1] // SQUARE
    whole = values[: rows * SQUARE, : columns * SQUARE].astype(np.float32)
    sums: Pixels = whole.reshape(rows, SQUARE, columns, SQUARE, -1).sum((1, 3))
    return sums


def psnr(frames: Sequence[Pixels], clear: Sequence[Pixels]) -> float:
    errors = [((a - b) ** 2).mean() for a, b in zip(frames, clear, strict=True)]
    return float(-10 * np.log10(errors).mean())


if __name__ == "__main__":
    main()
