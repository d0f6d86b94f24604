"""What gathers on a sensor while the picture moves over it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.degradation.guided_filter import guided_filter
from ccnet.degradation.randomness import smooth_field, uniform


def integrate(
    light: Tensor,
    positions: Tensor,
    weights: Tensor,
    nearness: Tensor | None = None,
    cover: Tensor | None = None,
) -> Tensor:
    """Add up `light` (N, 3, H, W), linear, as it moves through `positions` (N, K, 6).

    `trajectories.py` tells what the six are; `weights` (N, K) sum to 1 over the instants.
    `nearness` (N, 1, H, W) multiplies the camera's motion in each place. `cover` (N, 1, H, W), from
    0 to 2, is where an object stands that has its own motion: opaque from 1, and from there to 2
    its surroundings take its place behind it. Beyond its borders the picture is mirrored. Linear
    in `light`; to the same shape.
    """
    count, _, height, width = light.shape
    size = light.new_tensor((width, height))
    still, fields = _coordinates(light, nearness)
    shift, rotation = positions[..., :2], positions[..., 2:3]
    zoom, own = positions[..., 3:4], positions[..., 4:]
    # To the first order in angle and zoom, so that the displacements of every place have mean 0
    # when the path has. Sampling at x - d moves the picture by d.
    motions = torch.stack((shift, torch.cat((zoom, rotation), 2), torch.cat((-rotation, zoom), 2)))
    motions = motions.permute(1, 2, 0, 3) * (-2 / size)
    own = own * (-2 / size)

    layers = light
    if cover is not None:
        opacity = cover.clamp(max=1)
        layers = torch.cat((light * opacity, opacity), 1)
        light = torch.lerp(light, fill(light, 1 - opacity), (cover - 1).clamp(min=0))
    gathered = torch.zeros_like(light)
    for instant in range(positions.shape[1]):
        grid = torch.baddbmm(still, fields, motions[:, instant]).view(count, height, width, 2)
        seen = _look(light, grid)
        if cover is not None:
            objects = _look(layers, grid + own[:, instant, None, None])
            seen = torch.addcmul(objects[:, :3] + seen, objects[:, 3:], seen, value=-1)
        gathered.addcmul_(weights[:, instant, None, None, None], seen)
    return gathered


def random_nearness(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """How much more or less each place moves than the mean, smoothly: (N, 1, H, W), mean 1.

    As near things do when the camera is carried along, and all do when its shutter rolls.
    """
    spread = uniform(0, 0.6, (len(pictures), 1, 1, 1), pictures, generator)
    nearness = torch.exp(spread * smooth_field(pictures, 2, generator))
    return nearness / nearness.mean((2, 3), keepdim=True)


def random_cover(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Find something like an object in each picture: (N, 1, H, W) from 0 to 2, as `integrate` has.

    It is what is near a random place in colour and position, up to the picture's edges around it.
    """
    count, _, height, width = pictures.shape
    one = (count, 1, 1, 1)
    shorter = min(height, width)
    size = (max(1, round(32 * height / shorter)), max(1, round(32 * width / shorter)))
    small = F.adaptive_avg_pool2d(pictures, (min(height, size[0]), min(width, size[1])))
    rows, columns = small.shape[2:]
    down = torch.linspace(0, 1, rows, device=small.device, dtype=small.dtype)
    right = torch.linspace(0, 1, columns, device=small.device, dtype=small.dtype)
    position = torch.stack(torch.meshgrid(down, right, indexing="ij")).expand(count, -1, -1, -1)
    slimness = uniform(0.5, 1.5, (count, 2, 1, 1), small, generator)
    colours = uniform(0, 1.5, one, small, generator)
    features = torch.cat((colours * small, slimness * position), 1)
    place = torch.randint(
        rows * columns, (count, 1, 1), generator=generator, device=small.device
    ).expand(-1, 5, -1)
    middle = features.flatten(2).gather(2, place)[..., None]
    distance = (features - middle).square().sum(1, keepdim=True).sqrt()
    radius = uniform(0.15, 0.4, one, small, generator)
    softness = uniform(0.02, 0.1, one, small, generator)
    coarse = (1 + (radius - distance) / softness).clamp(-1, 3)
    return guided_filter(coarse, pictures.mean(1, keepdim=True), 1, 1e-3).clamp(0, 2)


def fill(light: Tensor, known: Tensor) -> Tensor:
    """Spread what is `known` (N, 1, H, W), 0 to 1, of `light` (N, 3, H, W) over what is not."""
    height, width = light.shape[2:]
    both = torch.cat((light * known, known), 1)
    cells = (min(24, height), min(24, width))
    both = F.adaptive_avg_pool2d(both, cells)
    total = both.mean((2, 3), keepdim=True)
    for _ in range(2):
        both = F.avg_pool2d(both, 5, 1, 2, count_include_pad=False)
    both = both + 1e-3 * total + 1e-9
    filled = both[:, :3] / both[:, 3:]
    return F.interpolate(filled, size=(height, width), mode="bilinear", align_corners=False)


def _look(layers: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(layers, grid, "bilinear", "reflection", align_corners=False)


def _coordinates(pictures: Tensor, nearness: Tensor | None) -> tuple[Tensor, Tensor]:
    """The places of all pixels, from -1 to 1, and what the motions multiply there.

    (N, H * W, 2), and (N, H * W, 3): nearness times one, right and down, the last two in units
    of their root mean square distance from the centre.
    """
    count, _, height, width = pictures.shape
    down = torch.arange(height, device=pictures.device, dtype=pictures.dtype) + 0.5
    right = torch.arange(width, device=pictures.device, dtype=pictures.dtype) + 0.5
    down, right = torch.meshgrid(down - height / 2, right - width / 2, indexing="ij")
    still = torch.stack((2 * right / width, 2 * down / height), 2).view(1, -1, 2)
    typical = ((height**2 + width**2) / 12) ** 0.5
    fields = torch.stack((torch.ones_like(right), right / typical, down / typical), 2)
    fields = fields.view(1, -1, 3).expand(count, -1, -1)
    if nearness is not None:
        fields = fields * nearness.view(count, -1, 1)
    return still.expand(count, -1, -1), fields
