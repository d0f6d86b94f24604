"""Made-up depth that agrees with a picture, without any network.

Depth decides how dense haze is in each place, so a restorer trained on made haze learns whatever
the depth gives away. The maps made here follow what photographs share - planes that meet at a
vanishing point, objects that each stand at one distance, a far sky, breaks where the picture has
edges - in proportions drawn anew for every picture, so that no single cue can be relied on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.degradation.guided_filter import guided_filter
from ccnet.degradation.randomness import happens, smooth_field, uniform

GRID = 64
"""Depth is made at this many pixels along the longer side, then enlarged along the edges."""

REGIONS = 20
"""Objects and surfaces that a picture is divided into."""


def make_depth(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Make depth for `pictures` (N, 3, H, W) in [0, 1]: (N, 1, H, W), 0 nearest, 1 farthest."""
    count, _, height, width = pictures.shape
    scale = min(1.0, GRID / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = F.interpolate(pictures, size=size, mode="area")

    depth = planes(small, generator)
    standing = standing_regions(small, depth, generator)
    depth = torch.lerp(depth, standing, uniform(0, 1, (count, 1, 1, 1), small, generator))
    depth = depth + uniform(0, 0.12, (count, 1, 1, 1), small, generator) * smooth_field(
        small, 3, generator
    )
    far_sky = happens(0.6, small, generator) * sky_likeness(small)
    depth = stretch(depth)
    depth = depth + far_sky * (1 - depth)
    luminance = small.mean(1, keepdim=True)
    depth = stretch(depth + uniform(-0.2, 0.45, (count, 1, 1, 1), small, generator) * luminance)

    softness = 10 ** uniform(-4.5, -2.0, (count, 1, 1, 1), small, generator)
    guide = pictures.mean(1, keepdim=True)
    radius = max(1, max(size) // 16)
    return stretch(guided_filter(depth, guide, radius, softness))


def planes(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Depth of a box around the camera: ground, ceiling, two walls and a back, each there or not.

    The inverse depth of a plane is linear in picture coordinates, and the nearest plane is seen:
    inverse depth is the largest of five linear functions. A road is a ground alone, a street adds
    walls, a room has all. (N, 1, H, W), 0 the nearest, 1 the farthest.
    """
    count, _, height, width = pictures.shape
    down = torch.linspace(-1, 1, height, device=pictures.device, dtype=pictures.dtype)
    right = torch.linspace(-1, 1, width, device=pictures.device, dtype=pictures.dtype)
    one = (count, 1, 1, 1)
    tilt = uniform(-0.2, 0.2, one, pictures, generator)
    horizon = uniform(-1.1, 0.7, one, pictures, generator)
    vanishing = uniform(-0.9, 0.9, one, pictures, generator)
    below = down[:, None] + tilt * right - horizon
    aside = right - tilt * down[:, None] - vanishing

    def steepness(probability: float) -> Tensor:
        there = happens(probability, pictures, generator)
        return there * uniform(0.3, 1.3, one, pictures, generator)

    ground = steepness(0.85) * below
    ceiling = steepness(0.35) * -below
    left, right_wall = steepness(0.4) * -aside, steepness(0.4) * aside
    back = 10 ** uniform(-1.6, -0.2, one, pictures, generator)
    inverse = torch.stack((ground, ceiling, left, right_wall, back.expand_as(ground))).amax(0)
    # Near things end at random distances: without this, the picture's lower edge would always be
    # many times nearer than the rest.
    nearest = 10 ** uniform(-0.6, 0.3, one, pictures, generator)
    return stretch(1 / torch.minimum(inverse, nearest))


def standing_regions(pictures: Tensor, depth: Tensor, generator: torch.Generator) -> Tensor:
    """Give each region of like colour one distance: `depth`'s mean over it, moved at random.

    Regions are the cells around randomly chosen pixels in a space of colour and position.
    `pictures` (N, 3, H, W), `depth` (N, 1, H, W) to (N, 1, H, W).
    """
    count, _, height, width = pictures.shape
    down = torch.linspace(0, 1, height, device=pictures.device, dtype=pictures.dtype)
    right = torch.linspace(0, 1, width, device=pictures.device, dtype=pictures.dtype)
    position = torch.stack(torch.meshgrid(down, right, indexing="ij")).expand(count, -1, -1, -1)
    nearness = uniform(0.3, 1.5, (count, 1, 1, 1), pictures, generator)
    features = torch.cat((pictures, nearness * position), 1).flatten(2).transpose(1, 2)
    chosen = torch.randint(
        height * width, (count, REGIONS, 1), generator=generator, device=pictures.device
    )
    centres = features.gather(1, chosen.expand(-1, -1, 5))
    members = F.one_hot(torch.cdist(features, centres).argmin(2), REGIONS).to(pictures.dtype)
    sums = members.transpose(1, 2) @ depth.flatten(2).transpose(1, 2)
    means = sums / members.sum(1)[..., None].clamp(min=1)
    spread = uniform(0, 0.35, (count, 1, 1), pictures, generator)
    moved = means + spread * uniform(-1, 1, means.shape, pictures, generator)
    return (members @ moved).transpose(1, 2).reshape_as(depth)


def sky_likeness(pictures: Tensor) -> Tensor:
    """How much each place looks like sky, in [0, 1]: bright, smooth, gray or blue, high up."""
    height = pictures.shape[2]
    red, blue = pictures[:, :1], pictures[:, 2:]
    luminance = pictures.mean(1, keepdim=True)
    mean = F.avg_pool2d(luminance, 5, 1, 2, count_include_pad=False)
    roughness = F.avg_pool2d((luminance - mean).abs(), 5, 1, 2, count_include_pad=False)
    up = torch.linspace(1, 0, height, device=pictures.device, dtype=pictures.dtype)[:, None]
    return (
        torch.sigmoid(25 * (luminance - 0.5))
        * torch.sigmoid(20 * (blue - red) + 3)
        * torch.exp(-40 * roughness)
        * torch.sigmoid(8 * (up - 0.35))
    )


def stretch(maps: Tensor) -> Tensor:
    """Stretch each map (N, 1, H, W) to [0, 1]; a constant one becomes 0."""
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6)
