"""Measure what a video's frames cost on a CPU: all but the model, the model, and batches for it.

    OMP_NUM_THREADS=1 python benchmarks/video_speed.py [--sizes 320x240 640x360 1280x720]

Prints milliseconds of CPU time for a frame with dehaze-small: of restoring a clip with OpenVINO at
strength 0, at which only the model does not run, and of the model alone for frames given one, two
and four at once, the least of three runs. OpenVINO is given the averages of a frame for that, since
it would restore a batch with averages of its own one by one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from made_clips import hazy_clip

from ccnet.restoration import Restorer
from ccnet.restoration.loading import load_engine
from ccnet.video import restore_clip
from ccnet.video.clip import open_clip
from ccnet.video.frames import upright

FRAMES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="What a video's frames cost.")
    parser.add_argument("--sizes", nargs="+", default=["320x240", "640x360", "1280x720"])
    options = parser.parse_args()
    unchanging = Restorer("dehaze", engine="openvino", device="cpu", strength=0)
    engines = [
        load_engine("dehaze-small", engine=name, device="cpu", precision="auto")
        for name in ("openvino", "torch")
    ]
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            width, height = map(int, size.split("x"))
            clip, target = Path(folder) / f"{size}.mp4", Path(folder) / "out.mp4"
            hazy_clip(clip, FRAMES, (height, width), rate=10)
            rest = least(partial(restore_clip, unchanging, clip, target, overwrite=True)) / FRAMES
            print(f"{size}: all but the model {rest:.0f} ms", flush=True)
            with open_clip(clip) as opened:
                frames = np.stack([upright(frame) for frame in islice(opened.frames(), 4)])
            for engine in engines:
                openvino = "OpenVINO" in engine.description
                averages = engine.measure(frames[0], 512) if openvino else None
                spent = [
                    least(partial(engine.restore, frames[:count], averages)) / count
                    for count in (1, 2, 4)
                ]
                print(f"  {engine.description}:", *(f"{each:.0f} ms" for each in spent), flush=True)


def least(what: Callable[[], object]) -> float:
    """The CPU time of something, in milliseconds: the least of three runs."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        what()
        spent.append(time.process_time() - started)
    return min(spent) * 1000


if __name__ == "__main__":
    main()
