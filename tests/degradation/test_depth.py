"""Made depth has the geometry it claims and breaks where the picture does."""

import torch

from ccnet.degradation.depth import make_depth, planes, sky_likeness, stretch
from ccnet.degradation.guided_filter import guided_filter


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_depth_is_in_range_and_varied() -> None:
    pictures = torch.rand(8, 3, 90, 120, generator=seeded())
    depth = make_depth(pictures, seeded())
    assert depth.shape == (8, 1, 90, 120)
    assert depth.min() >= 0
    assert depth.max() <= 1
    assert (depth[0] - depth[1]).abs().mean() > 0.05


def test_planes_have_linear_inverse_depth_between_breaks() -> None:
    # A ground alone, its depth known where the stretching to [0, 1] maps nearest and farthest.
    depth = planes(torch.zeros(64, 3, 128, 128), seeded()).double()
    assert depth.shape == (64, 1, 128, 128)
    # `stretch` made a * depth + b of it: a straight line in 1 / (depth + c) for one c per picture.
    straight = 0
    for picture in depth[:, 0]:
        column = picture[:, 64]
        best = min(bend(1 / (column + c)) for c in torch.logspace(-3, 1, 400).double())
        straight += best < 1e-3
    assert straight > 55
    # Most boxes have a ground, so the lower edge is nearer than the middle.
    assert depth[:, :, -1].mean() < depth[:, :, 64].mean() - 0.1


def bend(line: torch.Tensor) -> float:
    """The median change of slope, as a share of the largest slope."""
    slope = line.diff()
    return float(slope.diff().abs().median() / slope.abs().max().clamp(min=1e-12))


def test_guided_filter_breaks_at_edges_and_only_there() -> None:
    guide = torch.zeros(1, 1, 64, 64)
    guide[..., 32:] = 1
    blurred = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    followed = guided_filter(blurred, guide, radius=3, softness=1e-4)
    step = (followed[..., 32] - followed[..., 31]).mean()
    assert step > 5 * followed[..., 32:].diff(dim=3).abs().max()
    flat = guided_filter(torch.full((1, 1, 16, 16), 0.3), guide, radius=3, softness=1e-4)
    torch.testing.assert_close(flat, torch.full_like(guide, 0.3), atol=1e-3, rtol=0)


def test_sky_is_bright_smooth_and_up() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, :30] = torch.tensor([0.6, 0.75, 0.95]).view(1, 3, 1, 1)
    picture[:, :, 30:] = torch.rand(1, 3, 34, 64, generator=seeded()) * 0.5
    likeness = sky_likeness(picture)
    assert likeness[..., :10, :].mean() > 0.8
    assert likeness[..., 40:, :].mean() < 0.05


def test_stretch_fills_the_range_of_each_map() -> None:
    maps = stretch(torch.rand(3, 1, 8, 9, generator=seeded()) * 5 - 2)
    assert (maps.amin((1, 2, 3)) == 0).all()
    assert (maps.amax((1, 2, 3)) == 1).all()
    assert torch.equal(stretch(torch.full((1, 1, 4, 4), 2.0)), torch.zeros(1, 1, 4, 4))
