"""Pairs of pictures unlike photographs of the day, so that a restorer meets them while it learns.

Scans, drawings and screens have nothing to restore, and whoever puts them through a model wants
them back unharmed; what has no colour must not get any.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ccnet.degradation.light import make_night, vary_light
from ccnet.degradation.randomness import happens, uniform

Degrade = Callable[[Tensor, torch.Generator], Tensor]
"""Makes a degraded batch of a clean one: float32 (N, 3, H, W) in [0, 1] to the same shape."""

SHAPES = 10
"""Figures in a drawing at most."""

MARKS = 64
"""Rows and columns of random marks, after which a text repeats itself."""


def vary_and_degrade(
    photographs: Tensor, degrade: Degrade, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make training pairs (degraded, clean) of `photographs` (N, 3, H, W) in [0, 1].

    The light is varied, some become nights, 5% give way to drawings, and 6% of the pairs lose
    their colour. Drawings, and half of what has no colour, are not degraded.
    """
    clean = make_night(vary_light(photographs, generator), generator)
    degraded = degrade(clean, generator)
    drawn = happens(0.05, clean, generator)
    gray = happens(0.06, clean, generator)
    clean = without_colour(torch.lerp(clean, draw(clean, generator), drawn), gray)
    kept = torch.maximum(drawn, gray * happens(0.5, clean, generator))
    return torch.lerp(without_colour(degraded, gray), clean, kept), clean


def without_colour(pictures: Tensor, share: Tensor) -> Tensor:
    """Mix `pictures` (N, 3, H, W) with their mean over channels, of which there is `share`."""
    return torch.lerp(pictures, pictures.mean(1, keepdim=True), share)


def draw(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw pages and screens: figures and text in flat colours, with the shape of `like`."""
    count, _, height, width = like.shape
    one, colour = (count, 1, 1, 1), (count, 3, 1, 1)
    down = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)[:, None]
    across = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)

    # White paper, black screens, and backdrops of any brightness.
    level = 2 * uniform(-0.25, 0.85, one, like, generator).clamp(0, 0.5)
    paper = (level + uniform(-0.1, 0.1, colour, like, generator)).clamp(0, 1)
    contrast = uniform(0.4, 1, one, like, generator)
    ink = torch.lerp(paper, (paper < 0.5).to(paper.dtype), contrast)
    page = paper.expand(-1, -1, height, width)
    figures = uniform(0, SHAPES, one, like, generator)
    for index in range(SHAPES):
        turn = uniform(-0.5, 0.5, one, like, generator) * happens(0.3, like, generator)
        y = down - uniform(-1, 1, one, like, generator)
        x = across - uniform(-1, 1, one, like, generator)
        y, x = y * turn.cos() - x * turn.sin(), y * turn.sin() + x * turn.cos()
        y = y / uniform(0.05, 0.7, one, like, generator)
        x = x / uniform(0.05, 0.7, one, like, generator)
        ellipse = happens(0.4, like, generator)
        radius = torch.lerp(torch.maximum(x.abs(), y.abs()), torch.hypot(x, y), ellipse)
        line = uniform(0.03, 0.2, one, like, generator) * happens(0.4, like, generator)
        inside = (radius < 1) & (index < figures)
        fill = torch.where(radius > 1 - line, ink, uniform(0, 1, colour, like, generator))
        page = torch.where(inside, fill, page)
    page = torch.where(_text(like, generator) > 0, ink, page)
    shade = happens(0.4, like, generator) * uniform(0, 1, one, like, generator)
    turn = uniform(-3.2, 3.2, one, like, generator)
    ramp = (1 + (down * turn.cos() + across * turn.sin()) / 2**0.5) / 2
    pale = uniform(0, 1, one, like, generator).square()
    return without_colour(page * (1 - shade * ramp), pale)


def _text(like: Tensor, generator: torch.Generator) -> Tensor:
    """Scatter marks in lines like those of print on 60% of the pictures: (N, 1, H, W), 0 or 1."""
    count, _, height, width = like.shape
    line = uniform(6, 24, (count, 1, 1), like, generator)
    rows = torch.arange(height, device=like.device, dtype=like.dtype)[:, None] * 8 / line
    columns = torch.arange(width, device=like.device, dtype=like.dtype) * 8 / line
    marks = (torch.rand(count, MARKS * MARKS, generator=generator, device=like.device) < 0.4).to(
        like.dtype
    )
    cell = (rows.long() % MARKS) * MARKS + columns.long() % MARKS
    printed = marks.gather(1, cell.flatten(1)).reshape(count, 1, height, width)
    between = ((rows % 8 < 5) & (columns % 24 < 20))[:, None]
    return printed * between * happens(0.6, like, generator)
