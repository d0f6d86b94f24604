"""Snow: far flakes behind a veil of haze, nearer ones in front of it.

Flakes cover the scene J by their mask z in their colour a, I = a * z + J * (1 - z) (Liu et al.,
"DesnowNet", TIP 2018). Snow too fine or far to be seen as flakes is a veil of transmission T and
airlight A over what lies behind it, K * T + A * (1 - T) (Chen et al., "JSTASR", ECCV 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.degradation.camera import random_camera
from ccnet.degradation.depth import make_depth
from ccnet.degradation.flakes import draw_flakes, scatter_points, splat, streak
from ccnet.degradation.haze import apply_haze
from ccnet.degradation.randomness import checked, happens, smooth_field, uniform

DENSEST_VEIL = 1.5
"""Optical depth of the veil at the farthest point at strength 1."""

FAR_DENSITY = 0.02
"""Far flakes of each of the three sizes to a pixel, at most."""


class Fall(NamedTuple):
    """What the flakes of a picture have in common, each (N, 1).

    `amount` from 0 to 1; `angle` of the streaks in radians, pi / 2 downwards, and its `scatter`;
    `speed`, the length of a streak as a multiple of the flake's radius.
    """

    amount: Tensor
    angle: Tensor
    scatter: Tensor
    speed: Tensor


class Layer(NamedTuple):
    """Flakes at about one distance: how many, and between what their looks vary.

    `density` in flakes to a pixel, at most; `radius` in pixels; `opacity` of the densest flakes in
    a picture; `softness` of the edges as a part of the radius; `side` in pixels of the square that
    holds a flake and its streak.
    """

    density: float
    radius: tuple[float, float]
    opacity: tuple[float, float]
    softness: tuple[float, float]
    side: int


SMALL = Layer(0.007, (0.8, 2.6), (0.5, 1.0), (0.25, 0.9), 25)
MIDDLE = Layer(0.0022, (2.0, 6.5), (0.45, 1.0), (0.15, 0.9), 41)
NEAR = Layer(0.00035, (5.0, 26.0), (0.15, 0.95), (0.1, 0.9), 112)


def add_snow(
    clean: Tensor, generator: torch.Generator | None = None, strength: float | None = None
) -> Tensor:
    """Let snow fall of random size, speed, focus and light on each picture, then noise and JPEG.

    `clean` (N, 3, H, W) float32 in [0, 1] to the same, on the same device. `strength` from 0 (the
    picture as it was) to 1 (heavy) fixes how much; without it each picture gets its own, one
    in twenty none at all. `generator` must be on the device of `clean`. Raises `UsageError` for
    another strength.
    """
    generator = checked(clean, generator, strength)
    if strength == 0:
        return clean.clone()
    one = (len(clean), 1)
    if strength is None:
        amount = uniform(0.02, 1, one, clean, generator).sqrt()
        falls = 1 - happens(0.05, clean, generator)
    else:
        amount = torch.full(one, strength, device=clean.device, dtype=clean.dtype)
        falls = torch.ones_like(amount)[..., None, None]
    fall = random_fall(amount, generator)
    dusk = dusk_tint(clean, generator)
    light = flake_light(clean, generator) * dusk

    snowy = clean
    mask = far_mask(clean, fall, generator)
    snowy = cover(snowy, mask, light)
    transmission, airlight = random_veil(clean, fall.amount, light, generator)
    # CSD has its veil before all flakes, and a snowfall has some of it between the near ones.
    before = happens(0.3, clean, generator) * uniform(0, 1, (len(clean), 1, 1, 1), clean, generator)
    snowy = apply_haze(snowy, transmission ** (1 - before), airlight)
    for layer in (SMALL, MIDDLE, NEAR):
        mask, brightness = layer_mask(clean, layer, fall, generator)
        snowy = cover(snowy, mask, light * brightness)
    snowy = apply_haze(snowy, transmission**before, airlight)
    snowy = random_camera(snowy.clamp(0, 1), generator)
    return torch.where(falls > 0, snowy, clean)


def cover(scene: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    """Flakes of opacity `mask` before a scene: colour * mask + scene * (1 - mask).

    All in [0, 1], of shapes that broadcast to that of `scene` (N, 3, H, W).
    """
    return torch.lerp(scene, colour.expand_as(scene), mask.expand_as(scene))


def random_fall(amount: Tensor, generator: torch.Generator) -> Fall:
    """Draw how snow of the given `amount` (N, 1) falls.

    Three in ten without streaks, as in much of Snow100K; the rest from short to long, as in CSD.
    """
    one = (len(amount), 1)
    angle = torch.pi / 2 + uniform(-1.1, 1.1, one, amount, generator)
    moving = (uniform(0, 1, one, amount, generator) > 0.3).to(amount.dtype)
    speed = moving * 10 ** uniform(-0.5, 1.0, one, amount, generator)
    return Fall(amount, angle, uniform(0.03, 0.35, one, amount, generator), speed)


def far_mask(clean: Tensor, fall: Fall, generator: torch.Generator) -> Tensor:
    """Fine flakes of about a pixel in three sizes: opacity (N, 1, H, W) for `clean`'s shape."""
    count, _, height, width = clean.shape
    layers = (count, 3, 1)
    number = (count, 3, max(1, round(FAR_DENSITY * height * width)))
    spot = 10 ** uniform(-0.4, 0.1, layers, clean, generator)
    # Larger ones are nearer, where there is less room for flakes.
    share = uniform(0.05, 1.0, layers, clean, generator) * fall.amount[..., None]
    share = share * (0.5 / spot).clamp(max=1) ** 1.5
    there = (uniform(0, 1, number, clean, generator) < share).to(clean.dtype)
    opacity = uniform(0.2, 0.95, layers, clean, generator)
    depth = -there * torch.log1p(-opacity * uniform(0.1, 1, number, clean, generator))
    rows = uniform(-1, height, number, clean, generator)
    columns = uniform(-1, width, number, clean, generator)
    points = scatter_points(depth, rows, columns, (height, width))

    one = (*layers, 1)
    spot = spot[..., None]
    speed = fall.speed[..., None, None] * uniform(-0.4, 1.6, one, clean, generator).clamp(min=0)
    length = (speed * 2 * spot).clamp(max=24)
    turn = fall.scatter[..., None, None] * uniform(-1, 1, one, clean, generator)
    spots = streak(points, spot, length, fall.angle[..., None, None] + turn)
    # Spots keep their height rather than their sum: wider ones are larger flakes. Streaks lose
    # some of theirs, as a flake that moves covers each place for a shorter while.
    area = 2 * torch.pi * (spot.square() + 0.2)
    kept = uniform(0.3, 1.0, one, clean, generator)
    stretch = 1 + length / (spot * (2 * torch.pi) ** 0.5)
    depth_map = (spots * area * stretch**kept).sum(1, keepdim=True)
    return 1 - torch.exp(-depth_map)


def layer_mask(
    clean: Tensor, layer: Layer, fall: Fall, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flakes of one layer over pictures of `clean`'s shape: opacity and brightness.

    Both (N, 1, H, W) in [0, 1]; brightness is that of the flakes at a place, by their opacity.
    """
    count, _, height, width = clean.shape
    area = (height + layer.side) * (width + layer.side)
    one, number = (count, 1), (count, max(1, round(layer.density * area)))
    # Many snowfalls have no flakes near the camera, or few besides them.
    share = uniform(-0.25, 1.0, one, clean, generator).clamp(min=0).sqrt() * fall.amount
    there = (uniform(0, 1, number, clean, generator) < share).to(clean.dtype)

    opacity = there[..., None, None] * random_flakes(layer, fall, number[1], generator)
    depth = -torch.log1p(-0.97 * opacity)
    brightness = uniform(0.88, 1, number, clean, generator)[..., None, None]
    rows = torch.randint(-layer.side, height, number, generator=generator, device=clean.device)
    columns = torch.randint(-layer.side, width, number, generator=generator, device=clean.device)
    both = torch.stack((depth, depth * brightness), 1)
    sums = splat(both, rows[:, None], columns[:, None], (height, width))
    depth_map, bright_map = sums[:, :1], sums[:, 1:]
    return 1 - torch.exp(-depth_map), (bright_map / depth_map.clamp(min=1e-6)).clamp(0, 1)


def random_flakes(layer: Layer, fall: Fall, flakes: int, generator: torch.Generator) -> Tensor:
    """Draw as many `flakes` of a layer for each picture: opacity (N, flakes, side, side)."""
    one, number = (len(fall.amount), 1), (len(fall.amount), flakes)
    low, high = layer.radius
    largest = low * (high / low) ** uniform(0.4, 1, one, fall.amount, generator)
    # Small flakes are more frequent than large ones: the farther, the more room there is.
    radius = low * (largest / low) ** uniform(0, 1, number, fall.amount, generator).square()
    longest = layer.side - 2.5 * radius
    # Some layers hang still in others' rush, as gusts differ from place to place.
    speed = fall.speed * uniform(-0.4, 1.6, one, fall.amount, generator).clamp(min=0)
    length = speed * radius * uniform(0.3, 1.7, number, fall.amount, generator)
    length = torch.minimum(length, longest.clamp(min=0))
    angle = fall.angle + fall.scatter * uniform(-1, 1, number, fall.amount, generator)

    shape = 10 ** uniform(-0.7, 0, one, fall.amount, generator)
    roughness = 0.8 * shape * uniform(0.3, 1, number, fall.amount, generator)
    soft, softest = layer.softness
    softness = soft * (softest / soft) ** uniform(0, 1, number, fall.amount, generator)
    # The middle of a round flake passes for longer over a place than its sides do.
    softness = torch.maximum(softness, length / (length + radius))
    hexagonal = happens(0.15, fall.amount, generator).view(one)
    shapes = draw_flakes(
        layer.side,
        radius,
        length,
        angle,
        softness,
        roughness * (1 - 0.7 * hexagonal) * (radius / (radius + length)).sqrt(),
        hexagonal.expand(number),
        generator,
    )
    thin, thick = layer.opacity
    opacity = uniform(thin, thick, one, fall.amount, generator) * uniform(
        0.3, 1, number, fall.amount, generator
    )
    # In one fall of five flakes hide what is behind them, as many of CSD's do.
    solid = happens(0.2, fall.amount, generator).view(one)
    opacity = torch.lerp(opacity, uniform(0.9, 1, number, fall.amount, generator), solid)
    opacity = opacity * (radius / (radius + length / 2)) ** uniform(
        0.1, 0.8, one, fall.amount, generator
    )
    return opacity[..., None, None] * shapes


def random_veil(
    clean: Tensor, amount: Tensor, light: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Transmission (N, 1, H, W) and airlight (N, 3, 1, 1) of the snow that is too far to see.

    In 45% of the pictures there is none. `amount` (N, 1) from 0 to 1; `light` (N, 3, H, W), that
    which flakes have.
    """
    one = (len(clean), 1, 1, 1)
    depth = make_depth(clean, generator)
    nearest = uniform(0.1, 0.8, one, clean, generator)
    depth = nearest + (1 - nearest) * depth
    patches = uniform(0, 0.15, one, clean, generator) * smooth_field(clean, 3, generator)
    # Snow100K has none, CSD an even one on most of its pictures.
    veiled = happens(0.55, clean, generator) * uniform(0, 1, one, clean, generator)
    density = DENSEST_VEIL * amount[..., None, None] * veiled
    transmission = torch.exp(-density * depth * torch.exp(patches))
    airlight = uniform(0.85, 1.1, one, clean, generator) * light.mean((2, 3), keepdim=True)
    return transmission, airlight.clamp(0, 1)


def dusk_tint(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Slightly bluish light for one picture in three, else white: (N, 3, 1, 1) up to 1."""
    blue = happens(0.33, clean, generator) * uniform(0, 1, (len(clean), 1, 1, 1), clean, generator)
    return 1 - blue * clean.new_tensor((0.12, 0.06, 0.0)).view(1, 3, 1, 1)


def flake_light(clean: Tensor, generator: torch.Generator) -> Tensor:
    """How bright flakes are, lit from around the place they are seen at: (N, 1, H, W) in [0, 1].

    Between one brightness all over the picture and that of the scene behind, so that snow at
    night may be dim but near lamps.
    """
    one = (len(clean), 1, 1, 1)
    around = F.adaptive_avg_pool2d(clean.amax(1, keepdim=True), 5)
    around = F.interpolate(around, size=clean.shape[2:], mode="bilinear", align_corners=False)
    lit = (1.6 * around + 0.1).clamp(0, 1)
    own = 1 - 0.15 * uniform(0, 1, one, clean, generator).square()
    return own * torch.lerp(
        torch.ones_like(lit), lit, uniform(0, 1, one, clean, generator).square()
    )
