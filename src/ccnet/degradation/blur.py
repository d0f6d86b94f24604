"""Motion blur: what a picture's light becomes when camera and objects move during the exposure.

Light is added up as it falls on the sensor, before the camera's tone curve and its clipping: Rim
et al., "Realistic Blur Synthesis for Learning Image Deblurring" (ECCV 2022), measured how much
that, the saturated lights and the noise matter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ccnet.degradation.camera import add_noise, random_jpeg
from ccnet.degradation.exposure import integrate, random_cover, random_nearness
from ccnet.degradation.randomness import checked, happens, uniform
from ccnet.degradation.trajectories import random_paths, sample_evenly

LONGEST = 40.0
"""Pixels that a blur at strength 1 is long, in pictures of at least 160 pixels."""

SHORTEST = 2.0
"""Pixels that drawn blurs are long at least."""

MARGIN = 20
"""Pixels from the border that hold nearly all that is mirrored there and not moved in (half of the
longest path; few reach farther): for crops, blur that much more and cut it off."""

INSTANTS = 28
"""In how many moments light is added up: in the longest blur they lie 1.5 pixels apart."""


def add_blur(
    clean: Tensor, generator: torch.Generator | None = None, strength: float | None = None
) -> Tensor:
    """Blur each picture by random motion of the camera and at times of an object, as light adds up.

    `clean` (N, 3, H, W) float32 in [0, 1] to the same, on the same device, with noise and JPEG in
    some. `strength` from 0 (the picture as it was) to 1 (a path of `LONGEST` pixels, or a quarter
    of the shorter side) fixes the length; without it each picture gets its own, and one in ten
    stays exactly as it was. The mean of all displacements is 0: a blurred picture lies on its clean
    one. `generator` must be on the device of `clean`. Raises `UsageError` for another strength.
    """
    generator = checked(clean, generator, strength)
    if strength == 0:
        return clean.clone()
    length = random_length(clean, generator, strength)
    knee, white = random_tone_curve(clean, generator)
    # Files of linear values, and videos whose frames were added up as they are stored.
    as_stored = happens(0.15, clean, generator)
    light = torch.lerp(to_light(clean, knee, white), clean, as_stored)
    positions, weights = sample_evenly(random_paths(clean, generator), INSTANTS)
    blurry = integrate(
        light,
        positions * length[:, 0],
        weights,
        random_nearness(clean, generator),
        random_cover(clean, generator),
    )
    blurry = _random_noise(blurry, generator)
    blurry = torch.lerp(from_light(blurry, knee, white), blurry.clamp(0, 1), as_stored)
    blurry = random_jpeg(blurry, generator)
    untouched = happens(0.1 if strength is None else 0, clean, generator)
    return torch.where(untouched > 0, clean, blurry)


def cut_margin(pictures: Tensor, margin: int = MARGIN) -> Tensor:
    """Cut `margin` pixels off each side of (..., H, W)."""
    height, width = pictures.shape[-2:]
    return pictures[..., margin : height - margin, margin : width - margin]


def random_length(clean: Tensor, generator: torch.Generator, strength: float | None) -> Tensor:
    """Length of the paths in pixels (N, 1, 1, 1), mostly around 9.

    Its logarithm has a triangular distribution: the longest blurs leave little to restore, and the
    shortest need little.
    """
    longest = min(LONGEST, min(clean.shape[2:]) / 4)
    drawn = uniform(0, 1, (2, len(clean), 1, 1, 1), clean, generator).mean(0)
    if strength is not None:
        return torch.full_like(drawn, longest * strength)
    shortest = min(SHORTEST, longest)
    return shortest * (longest / shortest) ** drawn


def random_tone_curve(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where highlights begin to be compressed, and how much light white stands for: (N, 1, 1, 1).

    Three of five pictures have plain sRGB, as videos of added frames do; in the others white is up
    to ten times brighter, so that lights and skies streak over what is dark beside them.
    """
    one = (len(clean), 1, 1, 1)
    knee = uniform(0.2, 0.8, one, clean, generator)
    white = 10 ** (happens(0.4, clean, generator) * uniform(0.1, 1, one, clean, generator))
    return knee, white


def to_light(pictures: Tensor, knee: Tensor, white: Tensor) -> Tensor:
    """Undo the sRGB curve (IEC 61966-2-1) and then a camera's compression of highlights.

    `pictures` in [0, 1] to light; white becomes `white`, which is at least 1. Where the channels'
    mean is up to `knee` (below 1) light is as sRGB has it; from there the mean rises along a
    hyperbola, without a bend at the knee. Colours keep their channels' proportions: raised one by
    one, a blue sky would leave a coloured fringe on what is blurred into it.
    """
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    mean = linear.mean(1, keepdim=True)
    above = ((mean - knee) / (1 - knee)).clamp(min=0)
    raised = mean.clamp(max=knee) + (1 - knee) * above / (1 - _bend(knee, white) * above)
    return linear * (raised.clamp(min=1e-6) / mean.clamp(min=1e-6))


def from_light(light: Tensor, knee: Tensor, white: Tensor) -> Tensor:
    """Undo `to_light`; light below 0 becomes black, and what is too bright is clipped."""
    light = light.clamp(min=0)
    mean = light.mean(1, keepdim=True)
    above = ((mean.minimum(white) - knee) / (1 - knee)).clamp(min=0)
    lowered = mean.minimum(knee) + (1 - knee) * above / (1 + _bend(knee, white) * above)
    linear = light * (lowered.clamp(min=1e-6) / mean.clamp(min=1e-6))
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved).clamp(0, 1)


def _bend(knee: Tensor, white: Tensor) -> Tensor:
    return 1 - (1 - knee) / (white - knee)


def _random_noise(light: Tensor, generator: torch.Generator) -> Tensor:
    """Add the sensor's noise to 30% of `light` (N, 3, H, W), linear and already blurred."""
    one = (len(light), 1, 1, 1)
    noisy = happens(0.3, light, generator)
    shot = noisy * 10 ** uniform(-4.5, -3, one, light, generator)
    read = noisy * 10 ** uniform(-4, -2.5, one, light, generator)
    return add_noise(light, shot, read, generator)
