"""Draw snowflakes as optical depth: -log(1 - opacity), which adds up where flakes overlap."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_FIXED_POINT = 2**20


def scatter_points(values: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Add up points between pixels, each shared among its four neighbours.

    `values`, `rows` and `columns` (N, L, K), positions in pixels, to (N, L, H, W) of `size`. What
    lies outside is lost.
    """
    top, left = rows.floor(), columns.floor()
    low, right = rows - top, columns - left
    one_row = torch.stack((1 - low, low), -1)[..., :, None]
    one_column = torch.stack((1 - right, right), -1)[..., None, :]
    patches = values[..., None, None] * one_row * one_column
    return splat(patches, top.long(), left.long(), size)


def splat(patches: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Add up patches, each with its upper left corner at its row and column.

    `patches` (N, L, K, P, Q), `rows` and `columns` (N, L or 1, K) whole numbers, to (N, L, H, W) of
    `size`. What lies outside is lost. Sums are whole numbers of 2**-20 below 2**11, so that they
    are the same in whichever order a GPU adds.
    """
    height, width = size
    down = torch.arange(patches.shape[-2], device=patches.device)
    across = torch.arange(patches.shape[-1], device=patches.device)
    row, column = rows[..., None] + down, columns[..., None] + across
    row_inside = (row >= 0) & (row < height)
    column_inside = (column >= 0) & (column < width)
    inside = row_inside[..., :, None] & column_inside[..., None, :]
    # One place more than there are pixels takes up what lies outside.
    place = torch.where(inside, row[..., :, None] * width + column[..., None, :], height * width)
    whole = (patches * _FIXED_POINT).round().int()
    sums = whole.new_zeros((*patches.shape[:2], height * width + 1))
    sums.scatter_add_(2, place.expand_as(whole).flatten(2), whole.flatten(2))
    summed = sums[..., :-1].to(patches.dtype) / _FIXED_POINT
    return summed.reshape(*patches.shape[:2], height, width)


def streak(maps: Tensor, width: Tensor, length: Tensor, angle: Tensor) -> Tensor:
    """Blur `maps` (N, L, H, W) to Gaussian spots drawn out to lines, keeping their sums.

    `width` (the Gaussian's deviation), `length` in pixels and `angle` in radians (0 across, pi / 2
    down), each (N, L, 1, 1). Edges wrap around, as the filter is applied by its spectrum.
    """
    height, columns = maps.shape[2:]
    down = torch.fft.fftfreq(height, device=maps.device, dtype=maps.dtype)[:, None]
    across = torch.fft.rfftfreq(columns, device=maps.device, dtype=maps.dtype)
    line = torch.sinc(length * (across * angle.cos() + down * angle.sin()))
    spot = torch.exp(-2 * (torch.pi * width).square() * (across.square() + down.square()))
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(maps) * line * spot, s=(height, columns))
    return blurred.clamp(min=0)


def draw_flakes(
    side: int,
    radius: Tensor,
    length: Tensor,
    angle: Tensor,
    softness: Tensor,
    roughness: Tensor,
    hexagonal: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Draw irregular flakes, drawn out to streaks: opacity in [0, 1], 1 well inside.

    All tensors (N, K): `radius` and `length` of the streak in pixels; `angle` of the streak in
    radians; `softness`, the part of the radius over which the edge falls off; `roughness`, how far
    noise moves the edge, as a part of the radius; `hexagonal` from 0 (round) to 1, as an iris
    of six blades makes of what is out of focus. To (N, K, side, side), each flake in the middle of
    its square and gone at its edge.
    """
    offset = torch.arange(side, device=radius.device, dtype=radius.dtype) - (side - 1) / 2
    right, down = offset.expand(side, side), offset[:, None].expand(side, side)
    cosine, sine = angle.cos()[..., None, None], angle.sin()[..., None, None]
    half = length[..., None, None] / 2
    along = cosine * right + sine * down
    along = along - torch.minimum(torch.maximum(along, -half), half)
    across = cosine * down - sine * right
    round_distance = (along.square() + across.square()).sqrt()
    slanted = 0.5 * along.abs() + 0.75**0.5 * across.abs()
    distance = torch.lerp(
        round_distance, torch.maximum(along.abs(), slanted), hexagonal[..., None, None]
    )
    reach = radius[..., None, None]
    inside = 1 - distance / reach + roughness[..., None, None] * _lumps(side, radius, generator)
    # Narrower edges than a pixel would be stepped.
    edge = torch.maximum(softness[..., None, None], 0.7 / reach)
    opacity = (0.5 + inside / (2 * edge)).clamp(0, 1)
    opacity = opacity.square() * (3 - 2 * opacity)
    margin = torch.maximum(right.abs(), down.abs())
    return opacity * ((side / 2 - margin) / 3).clamp(0, 1)


def _lumps(side: int, radius: Tensor, generator: torch.Generator) -> Tensor:
    """Noise with features of about the radius of each flake, within [-1, 1]: (N, K, side, side)."""
    count, flakes = radius.shape
    coarse = torch.randn(
        (count * flakes, 1, 8, 8), generator=generator, device=radius.device, dtype=radius.dtype
    )
    # A flake of any size spans about two features.
    offset = torch.linspace(-1, 1, side, device=radius.device, dtype=radius.dtype)
    scale = (0.14 * side / radius.flatten())[:, None, None]
    place = torch.stack((offset.expand(side, side), offset[:, None].expand(side, side)), -1)
    grid = place[None] * scale[..., None]
    noise = F.grid_sample(coarse, grid, padding_mode="border", align_corners=False)
    return noise.clamp(-1, 1).view(count, flakes, side, side)
