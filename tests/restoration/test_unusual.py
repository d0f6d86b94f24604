"""The models that ship leave pictures alone that are unlike what they are for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from ccnet.restoration import Restorer

Pixels = NDArray[np.uint8]

SIDE = 320


def page() -> Pixels:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    for line in range(20):
        text = f"{line}. The quick brown fox jumps over the lazy dog."
        ImageDraw.Draw(image).text((12, 10 + 15 * line), text, fill="black")
    return np.asarray(image)


def screen() -> Pixels:
    image = Image.new("RGB", (SIDE, SIDE), (30, 30, 34))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIDE, 24), fill=(60, 60, 66))
    colours = ((200, 200, 200), (120, 200, 120), (230, 140, 90), (100, 160, 240))
    for line in range(18):
        draw.text((12, 34 + 15 * line), f"x_{line} = f({line})  # why", fill=colours[line % 4])
    return np.asarray(image)


def drawing() -> Pixels:
    image = Image.new("RGB", (SIDE, SIDE), (250, 240, 220))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 190, 190), fill=(230, 80, 60), outline="black", width=4)
    draw.rectangle((150, 150, 300, 290), fill=(90, 170, 220), outline="black", width=4)
    draw.polygon([(20, 310), (90, 200), (150, 310)], fill=(120, 200, 120), outline="black")
    return np.asarray(image)


def gradient() -> Pixels:
    return np.broadcast_to(np.linspace(0, 255, SIDE)[:, None], (SIDE, SIDE, 3)).astype(np.uint8)


def flat(level: int) -> Pixels:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


PICTURES: dict[str, Callable[[], Pixels]] = {
    "page": page,
    "screen": screen,
    "drawing": drawing,
    "gradient": gradient,
    "white": lambda: flat(255),
    "gray": lambda: flat(128),
    "black": lambda: flat(0),
    "face": lambda: data.astronaut()[:SIDE, 60 : 60 + SIDE],
    "retina": lambda: data.retina()[500 : 500 + SIDE, 500 : 500 + SIDE],
    "night": lambda: data.rocket()[-SIDE:, 100 : 100 + SIDE],
}


# The gray of a dark screen may be haze at night: it is what dehazing changes most, to black, and
# 26 dB or more from the others.
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("task", "least"), [("dehaze", 20), ("deblur", 35), ("desnow", 38)])
def test_what_needs_nothing_stays(task: str, least: float, picture: str) -> None:
    before = PICTURES[picture]()
    after = Restorer(task)(before)
    difference = np.abs(after.astype(int) - before)
    if difference.any():
        assert peak_signal_noise_ratio(before, after, data_range=255) > least
