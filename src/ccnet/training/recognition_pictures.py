"""Pictures of each kind to train the recogniser on, all with the same camera after them.

Whatever else differed between the kinds (noise, JPEG, sharpness, light) would be learned in
place of haze, blur and snow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.datasets.photographs import Photographs
from ccnet.degradation import DEGRADATIONS
from ccnet.degradation.blur import MARGIN, cut_margin
from ccnet.degradation.camera import compress_jpeg, random_camera
from ccnet.degradation.flakes import scatter_points
from ccnet.degradation.haze import apply_haze, random_transmission
from ccnet.degradation.light import vary_light
from ccnet.degradation.randomness import smooth_field, uniform
from ccnet.recognition.kinds import CLEAR, QUALITIES, STRENGTHS, TASKS

SMALLEST, LONGEST = 176, 600
"""Pixels of a picture's long side."""

WEAKEST = {"haze": 0.25, "blur": 0.15, "snow": 0.15}
"""Strengths below these can hardly be seen."""

WHITE_AIR = 0.25
"""Share of hazy pictures whose air is white, as in RESIDE's rooms and in overexposed fog.

Few of the others have such air, and who learned from those took pale rooms for blurry."""

LEAST_CHANGE = 0.03
"""Mean change that haze must make: over what is as bright as the air there is none to be seen."""


def make_picture(
    photographs: Photographs, kind: str, generator: torch.Generator, *, finished: bool = True
) -> Tensor:
    """Make a picture of a kind: (3, H, W) in [0, 1].

    It is `finished` by what happens to pictures later, or left as it was taken.
    """
    made = _picture(photographs, kind, generator)
    return _finish(made, generator) if finished else made[0].contiguous()


def measured_pictures(clean: Tensor, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Give what docs/recognition.md measures of one photograph, with kinds: (3, H, W) in [0, 1].

    `clean` (1, 3, H, W) has `MARGIN` around it.
    """
    inner = cut_margin(clean)
    yield CLEAR, inner[0]
    for quality in QUALITIES:
        yield CLEAR, compress_jpeg(inner, torch.full((1, 1, 1, 1), float(quality)))[0]
    for kind in TASKS:
        for strength in STRENGTHS:
            degraded = DEGRADATIONS[kind](clean, generator, strength)
            yield kind, cut_margin(degraded)[0]


def _picture(photographs: Photographs, kind: str, generator: torch.Generator) -> Tensor:
    if kind == CLEAR and _chance(0.12, generator):
        return make_drawing(generator)
    while True:
        clean = vary_light(_random_window(photographs, generator), generator)
        if _chance(0.15, generator):
            clean = shallow_focus(clean, generator)
        if _chance(0.1, generator):
            clean = soften(clean, generator)
        degraded = degrade(clean, kind, _between(WEAKEST.get(kind, 0), 1, generator), generator)
        if kind != "haze" or (degraded - clean).abs().mean() > LEAST_CHANGE:
            return cut_margin(degraded)


def degrade(clean: Tensor, kind: str, strength: float, generator: torch.Generator) -> Tensor:
    """Degrade `clean` (N, 3, H, W); one that stays clear gets the camera that the others get."""
    if kind == CLEAR:
        return random_camera(clean, generator)
    if kind == "haze" and _chance(WHITE_AIR, generator):
        return add_white_haze(clean, strength, generator)
    return DEGRADATIONS[kind](clean, generator, strength)


def add_white_haze(clean: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Put haze before `clean` (N, 3, H, W) as `add_haze` does, but with air of 0.95 to 1."""
    transmission = random_transmission(clean, generator, strength)
    airlight = uniform(0.95, 1.1, (len(clean), 1, 1, 1), clean, generator).clamp(max=1)
    return random_camera(apply_haze(clean, transmission, airlight), generator)


def shallow_focus(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Put most of each picture (N, 3, H, W) out of focus, as a wide aperture does."""
    radius = round(_between(2, 8, generator))
    offset = torch.arange(-radius, radius + 1, dtype=clean.dtype)
    disc = (offset.square() + offset[:, None].square() <= (radius + 0.5) ** 2).to(clean.dtype)
    kernel = (disc / disc.sum()).expand(3, 1, -1, -1)
    defocused = F.conv2d(F.pad(clean, (radius,) * 4, mode="replicate"), kernel, groups=3)
    field = smooth_field(clean, 2, generator)
    return torch.lerp(clean, defocused, torch.sigmoid(8 * (field + _between(-0.5, 1, generator))))


def soften(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Blur (N, 3, H, W) alike in all directions, as a poor lens or many a video does."""
    sigma = _between(0.6, 1.6, generator)
    radius = math.ceil(3 * sigma)
    offset = torch.arange(-radius, radius + 1, dtype=clean.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma).square())
    across = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = F.pad(clean, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, across, groups=3), across.transpose(2, 3), groups=3)


def make_drawing(generator: torch.Generator) -> Tensor:
    """Draw what is no photograph and clear: (1, 3, H, W) in [0, 1].

    A flat colour or a gradient, with lines as of text, boxes as of a screen, or stars before it.
    """
    height, width = (int(_between(SMALLEST, 480, generator)) for _ in range(2))
    canvas = torch.zeros(1, 3, height, width)
    colours = torch.rand(2, 3, 1, 1, generator=generator)
    if _chance(0.4, generator):
        colours[0] = _chance(0.6, generator)  # paper, or night
    slope = _between(0, 1, generator) * _chance(0.4, generator)
    canvas += torch.lerp(colours[0], colours[1], slope * torch.linspace(0, 1, height)[:, None])
    sort = int(_between(0, 5, generator))
    if sort == 1:
        _write_lines(canvas[0], colours[1], generator)
    elif sort == 2:
        for _ in range(int(_between(3, 40, generator))):
            rows, columns = (_stretch(side, 0.5, generator) for side in (height, width))
            canvas[0, :, rows, columns] = torch.rand(3, 1, 1, generator=generator)
    elif sort == 3:
        canvas = _with_stars(canvas * 0.15, generator)
    elif sort == 4:
        amount = _between(0.05, 0.5, generator)
        canvas = canvas + amount * torch.randn(canvas.shape, generator=generator)
    return canvas.clamp(0, 1)


def _write_lines(canvas: Tensor, colour: Tensor, generator: torch.Generator) -> None:
    """Fill `canvas` (3, H, W) with rows of small strokes."""
    _, height, width = canvas.shape
    letter = int(_between(3, 14, generator))
    for top in range(letter, height - letter, 2 * letter):
        left = letter
        while left < width - 2 * letter and not _chance(0.02, generator):
            rows = slice(top, top + round(_between(0.3, 1, generator) * letter))
            right = left + max(1, round(_between(0.1, 0.8, generator) * letter))
            canvas[:, rows, left:right] = colour
            left = right + max(1, round(_between(0.1, 0.7, generator) * letter))


def _with_stars(sky: Tensor, generator: torch.Generator) -> Tensor:
    """Put points of light of very different brightness into `sky` (1, 3, H, W)."""
    _, _, height, width = sky.shape
    shape = (1, 1, int(height * width * 10 ** _between(-4, -2.3, generator)) + 1)
    light = 2 * uniform(0, 1, shape, sky, generator) ** 6
    rows = uniform(0, height - 1, shape, sky, generator)
    stars = scatter_points(
        light, rows, uniform(0, width - 1, shape, sky, generator), (height, width)
    )
    return sky + stars


def _stretch(length: int, most: float, generator: torch.Generator) -> slice:
    start = int(_between(0, length - 2, generator))
    return slice(start, start + 2 + int(_between(0, most, generator) * length))


def _random_window(photographs: Photographs, generator: torch.Generator) -> Tensor:
    """Cut a window and resize it, with `MARGIN` around it: (1, 3, H, W) in [0, 1].

    Half as large again at most: an enlarged picture is soft and still clear.
    """
    index = int(_between(0, len(photographs), generator))
    picture = photographs.pictures[index]
    window = picture
    for axis in (1, 2):
        length = int(picture.shape[axis] * _between(0.5, 1, generator))
        start = int(_between(0, picture.shape[axis] - length + 1, generator))
        window = window.narrow(axis, start, length)
    longest = max(window.shape[1:])
    side = SMALLEST * math.exp(_between(0, math.log(LONGEST / SMALLEST), generator))
    scale = min(side, 1.5 * longest) / longest
    size = [max(32, round(length * scale)) + 2 * MARGIN for length in window.shape[1:]]
    return _resized(window[None].float() / 255, size)


def reduced(picture: Tensor, side: int) -> Tensor:
    """Reduce a photograph (3, H, W), uint8, to a long side of `side` with `MARGIN` around it.

    To (1, 3, H, W) in [0, 1]; one that is smaller stays as large as it is.
    """
    scale = min(1.0, (side + 2 * MARGIN) / max(picture.shape[1:]))
    size = [max(1 + 2 * MARGIN, round(length * scale)) for length in picture.shape[1:]]
    return _resized(picture[None].float() / 255, size)


def _finish(picture: Tensor, generator: torch.Generator) -> Tensor:
    """What happens to any picture later: gray, resized, noisy, compressed. To (3, H, W)."""
    if _chance(0.08, generator):
        picture = picture.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    if _chance(0.5, generator):
        scale = _between(0.6, 1.3, generator)
        picture = _resized(picture, [max(16, round(scale * n)) for n in picture.shape[2:]])
    return random_camera(picture.contiguous(), generator)[0]


def _resized(pictures: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(
        pictures, size=size, mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _chance(probability: float, generator: torch.Generator) -> bool:
    return _between(0, 1, generator) < probability
