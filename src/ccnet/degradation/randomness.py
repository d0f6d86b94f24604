"""Random numbers and smooth random fields, one draw per picture, on the pictures' device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.errors import UsageError


def checked(
    clean: Tensor, generator: torch.Generator | None, strength: float | None
) -> torch.Generator:
    """Give a degradation's generator, or a fresh one on the device of `clean` where it has none.

    Raises `UsageError` for a strength that is not from 0 to 1.
    """
    if strength is not None and not 0 <= strength <= 1:
        raise UsageError(f"strength={strength} must be from 0 to 1.")
    if generator is None:
        generator = torch.Generator(clean.device)
        generator.seed()
    return generator


def uniform(
    low: float, high: float, shape: tuple[int, ...], like: Tensor, generator: torch.Generator
) -> Tensor:
    """Draw numbers of `shape` uniformly from [low, high), with the type and device of `like`."""
    drawn = torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)
    return low + (high - low) * drawn


def happens(probability: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Decide for each of N pictures: ones and zeros (N, 1, 1, 1)."""
    drawn = uniform(0, 1, (len(like), 1, 1, 1), like, generator)
    return (drawn < probability).to(like.dtype)


def smooth_field(like: Tensor, cells: int, generator: torch.Generator) -> Tensor:
    """Make noise with features of 1/`cells` of the picture: (N, 1, H, W), mean 0, deviation 1."""
    count, _, height, width = like.shape
    coarse = torch.randn(
        (count, 1, cells + 3, cells + 3),
        generator=generator,
        device=like.device,
        dtype=like.dtype,
    )
    field = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    spread, mean = torch.std_mean(field, dim=(2, 3), correction=0, keepdim=True)
    return (field - mean) / (spread + 1e-6)
