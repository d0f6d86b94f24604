"""Vary a clean photograph as other light and other cameras would."""

from __future__ import annotations

import torch
from torch import Tensor

from ccnet.degradation.randomness import happens, uniform

LAMPS = 8
"""Lamps in a night picture at most."""


def vary_light(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Change the tone curve and white balance of 70% of `clean` (N, 3, H, W) in [0, 1].

    Powers from 0.7 (brighter) to 2.3 (a dim room) and channel gains within 8%, so that a restorer
    does not take a dark or tinted scene for a fault. To the same shape and range.
    """
    varied = happens(0.7, clean, generator)
    power = 2 ** (varied * uniform(-0.5, 1.2, (len(clean), 1, 1, 1), clean, generator))
    gain = 1 + varied * uniform(-0.08, 0.08, (len(clean), 3, 1, 1), clean, generator)
    return (clean**power * gain).clamp(0, 1)


def make_night(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Turn 8% of `clean` (N, 3, H, W) in [0, 1] into nights with up to `LAMPS` lamps in them.

    Photographs by night are rare among clear ones, and what haze and motion make of their lamps is
    like nothing else. A lamp is a spot of a pixel or a few, white or warm, with a glow around it.
    In two nights of five all are out of focus: discs of one size, many of them coloured, which snow
    must not be taken for. To the same shape and range.
    """
    one = (len(clean), 1, 1, 1)
    night = happens(0.08, clean, generator)
    power = 1 + night * uniform(0.3, 1.5, one, clean, generator)
    dark = clean**power * (1 - night * uniform(0.3, 0.85, one, clean, generator))
    return (dark + night * random_lamps(clean, generator)).clamp(0, 1)


def random_lamps(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Light of up to `LAMPS` lamps in each picture, where white is 1: (N, 3, H, W) from 0 up.

    In two pictures of five they are out of focus, discs of one radius of 2.5 to 25 pixels, else
    spots with a glow. `clean` (N, 3, H, W) gives the shape.
    """
    count, _, height, width = clean.shape
    one, number = (count, 1, 1, 1), (count, LAMPS, 1, 1)
    share = uniform(0, 1, one, clean, generator)
    there = (uniform(0, 1, number, clean, generator) < share).to(clean.dtype)
    rows = uniform(0, height, number, clean, generator)
    columns = uniform(0, width, number, clean, generator)
    down = torch.arange(height, device=clean.device, dtype=clean.dtype)[:, None] + 0.5 - rows
    right = torch.arange(width, device=clean.device, dtype=clean.dtype) + 0.5 - columns

    spot = 10 ** uniform(-0.2, 0.5, number, clean, generator)
    disc = (10 ** uniform(0.4, 1.4, one, clean, generator)).clamp(max=min(height, width) / 6)
    edge = uniform(0.5, 1.5, one, clean, generator)
    brightness = uniform(0.15, 1.2, number, clean, generator)
    discs = torch.sigmoid((disc - torch.hypot(down, right)) / edge)
    unfocused = happens(0.4, clean, generator)

    warmth = uniform(0, 1, (count, LAMPS, 1), clean, generator)
    hue = uniform(0, 1, (count, LAMPS, 1), clean, generator) * unfocused[..., 0]
    tint = hue * uniform(0, 1, (count, LAMPS, 3), clean, generator)
    colour = (1 - warmth * clean.new_tensor((0.0, 0.3, 0.6))) * (1 - tint) * there[..., 0]

    light = torch.einsum("nkc,nkyx->ncyx", colour * (unfocused * brightness)[..., 0], discs)
    colour = colour * (1 - unfocused[..., 0])
    # A Gaussian is the product of its profiles, which spares as many pictures as there are lamps.
    for strength, radius in ((3.0, spot), (0.15, 5 * spot)):
        profiles = (torch.exp(-0.5 * (part / radius).square()) for part in (down, right))
        vertical, horizontal = (profile.flatten(2) for profile in profiles)
        light = light + strength * torch.einsum("nkc,nky,nkx->ncyx", colour, vertical, horizontal)
    return light
