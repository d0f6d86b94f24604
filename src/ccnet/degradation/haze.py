"""Haze: light from the scene fades with distance and light of the air takes its place.

I = J * t + A * (1 - t) with t = exp(-beta * depth): Koschmieder's law in the form of Narasimhan
and Nayar ("Vision and the Atmosphere", IJCV 2002); J is the clean picture, A the airlight.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ccnet.degradation.camera import random_camera
from ccnet.degradation.depth import make_depth
from ccnet.degradation.randomness import checked, happens, smooth_field, uniform

DENSEST = 3.0
"""Optical depth (beta * depth) of the farthest point at strength 1; 5% of its light is left."""


def apply_haze(clean: Tensor, transmission: Tensor, airlight: Tensor) -> Tensor:
    """Koschmieder's law: clean * transmission + airlight * (1 - transmission).

    `clean` (N, 3, H, W) in [0, 1]; the others in [0, 1] and of shapes that broadcast to it.
    """
    return clean * transmission + airlight * (1 - transmission)


def add_haze(
    clean: Tensor, generator: torch.Generator | None = None, strength: float | None = None
) -> Tensor:
    """Put haze of random depth, density and colour into each picture, then noise and JPEG.

    `clean` (N, 3, H, W) float32 in [0, 1] to the same, on the same device. `strength` from 0 (the
    picture as it was) to 1 (dense) fixes the density; without it each picture gets its own, one
    in twenty-five none at all. `generator` must be on the device of `clean`. Raises `UsageError`
    for another strength.
    """
    generator = checked(clean, generator, strength)
    if strength == 0:
        return clean.clone()
    transmission = random_transmission(clean, generator, strength)
    airlight = random_airlight(clean, generator)
    hazy = apply_haze(raise_lamps(clean, transmission), transmission, airlight)
    return random_camera(hazy.clamp(0, 1), generator)


def random_transmission(
    clean: Tensor, generator: torch.Generator, strength: float | None
) -> Tensor:
    """Transmission t = exp(-beta * depth) of random made-up scenes: (N, 1, H, W) in (0, 1]."""
    one = (len(clean), 1, 1, 1)
    depth = make_depth(clean, generator)
    depth = depth ** (2 ** uniform(-1, 1, one, clean, generator))
    # The nearest thing seldom is at no distance, but in most pictures something is nearly clear:
    # in pairs of RESIDE the near twentieth has a sixth of the far twentieth's optical depth.
    nearest = 0.45 * uniform(0, 1, one, clean, generator) ** 1.5
    depth = nearest + (1 - nearest) * depth
    patchiness = happens(0.2, clean, generator) * uniform(0.1, 0.6, one, clean, generator)
    patches = smooth_field(clean, 2, generator) + 0.5 * smooth_field(clean, 5, generator)
    if strength is None:
        dense = uniform(0.12, 1, one, clean, generator)
        density = DENSEST * dense * (1 - happens(0.04, clean, generator))
    else:
        density = torch.full_like(depth[:, :, :1, :1], DENSEST * strength)
    return torch.exp(-density * depth * torch.exp(patchiness * patches))


def random_airlight(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Airlight of random brightness, tint and evenness: (N, 3, H, W) in [0, 1].

    Mostly bright and nearly gray, as in daylight (RESIDE: 0.7 to 1); at times dim, warm as in dust
    and smog or blue as at dusk, brighter on the side of the sun, or of two colours, as between a
    window and a lamp. Dark before half of all dark scenes, which are nights; the others are rooms
    and shadows. Bright haze before all of them would teach that what haze hides is black, and
    before none that behind it nothing is dark, which leaves a veil over rooms.
    """
    count = len(clean)
    one = (count, 1, 1, 1)
    dim = happens(0.2, clean, generator)
    brightness = torch.lerp(
        uniform(0.8, 1.05, one, clean, generator), uniform(0.45, 0.8, one, clean, generator), dim
    )
    night = how_much_night(clean) * happens(0.5, clean, generator)
    brightness = torch.lerp(brightness, uniform(0.1, 0.5, one, clean, generator), night)
    tint = uniform(-0.025, 0.025, (count, 3, 1, 1), clean, generator)
    warmth = happens(0.35, clean, generator) * uniform(-0.12, 0.12, one, clean, generator)
    warm = clean.new_tensor((1.0, 0.2, -1.2)).view(1, 3, 1, 1)
    unevenness = happens(0.3, clean, generator) * uniform(0.02, 0.1, one, clean, generator)
    field = smooth_field(clean, 1, generator)
    lights = happens(0.2, clean, generator) * uniform(-0.1, 0.1, (count, 3, 1, 1), clean, generator)
    colour = warmth * warm + (unevenness + lights) * field
    return (brightness * (1 + colour) + tint).clamp(0, 1)


def how_much_night(clean: Tensor) -> Tensor:
    """Take pictures with a mean below 0.2 for night, ever less up to 0.25: (N, 1, 1, 1) to 1."""
    return ((0.25 - clean.mean((1, 2, 3), keepdim=True)) / 0.05).clamp(0, 1)


def raise_lamps(clean: Tensor, transmission: Tensor) -> Tensor:
    """Give the lamps in night pictures as much light as keeps them white behind haze.

    A lamp is many times brighter than what a picture holds, so a veil dims it to no less than
    white. (N, 3, H, W) in [0, 1] to [0, 5].
    """
    night = how_much_night(clean)
    lamps = ((clean.amax(1, keepdim=True) - 0.9) / 0.1).clamp(0, 1)
    return clean * (1 + 4 * night * lamps * (1 - transmission))
