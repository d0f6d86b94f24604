"""Hazy clips made of one photograph, for benchmarks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.transform import resize

Pixels = NDArray[np.float32]

MARGIN = 40
"""Pixels around the frame that the camera may move over."""

_AIR = 0.85


class Scene:
    """A photograph behind haze that thickens upwards, a camera and something dark that passes.

    Args:
        photograph: (H, W, 3).
        size: Height and width of the frames.
        frames: How many it takes to pass.
        moving: Whether the camera does: as a hand that holds it, by whole pixels.
    """

    def __init__(
        self, photograph: NDArray[np.uint8], size: tuple[int, int], frames: int, moving: bool
    ) -> None:
        self.size, self.frames = size, frames
        self._random = np.random.default_rng(0)
        whole = (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN)
        self._clear = resize(photograph, whole, anti_aliasing=True).astype(np.float32)
        near = np.linspace(0.12, 0.9, whole[0], dtype=np.float32)[:, None, None]
        self._hazy = self._clear * near + np.float32(_AIR) * (1 - near)
        steps = self._random.integers(-1, 2, (frames, 2)) * moving
        sway = np.stack((3 * np.sin(np.arange(frames) / 3), 8 * np.sin(np.arange(frames) / 8)), 1)
        self.corners = (MARGIN + steps + moving * np.rint(sway)).astype(int)

    def frame(self, index: int) -> tuple[Pixels, Pixels]:
        """Give a frame as a camera sees it and as it would be without haze, (H, W, 3) in [0, 1]."""
        height, width = self.size
        top, left = self.corners[index]
        place = np.s_[top : top + height, left : left + width]
        hazy, clear = self._hazy[place].copy(), self._clear[place].copy()
        hazy[self.passing(index)] = 0.15
        clear[self.passing(index)] = 0.05
        noise = self._random.normal(0, 2 / 255, hazy.shape)
        seen = np.rint((hazy + noise).clip(0, 1) * 255) / 255
        return seen.astype(np.float32), clear

    def passing(self, index: int) -> tuple[slice, slice]:
        """Give the rows and columns of what passes."""
        height, width = self.size
        left = round((width * 1.3) * index / self.frames - width * 0.2)
        across = slice(max(0, left), max(0, left + width // 5))
        return slice(height // 2, height * 9 // 10), across


def hazy_clip(path: Path, frames: int, size: tuple[int, int], rate: int) -> None:
    """Write such a clip, with sound."""
    scene = Scene(data.astronaut(), size, frames, moving=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        video.height, video.width = size
        sound = container.add_stream("aac", rate=48_000)
        for index in range(frames):
            pixels = np.rint(scene.frame(index)[0] * 255).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(video.encode())
        for index in range(frames * 48_000 // rate // 1024):
            times = np.arange(index * 1024, (index + 1) * 1024, dtype=np.float32) / 48_000
            tone = av.AudioFrame.from_ndarray(np.sin(2765 * times)[None], "fltp", "mono")
            tone.sample_rate, tone.pts = 48_000, index * 1024
            container.mux(sound.encode(tone))
        container.mux(sound.encode())
