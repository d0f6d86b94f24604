"""Flakes lie where they should, are as large as asked, and streak the way asked."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ccnet.degradation.flakes import draw_flakes, scatter_points, splat, streak


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moments(image: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Centre (row, column) and covariance of a picture taken as a distribution of mass."""
    mass = image.double().numpy()
    rows, columns = np.indices(mass.shape)
    positions = np.stack((rows.ravel(), columns.ravel()))
    centre = positions @ mass.ravel() / mass.sum()
    return centre, np.cov(positions, aweights=mass.ravel(), ddof=0)


def one_flake(
    side: int = 61,
    radius: float = 8,
    length: float = 0,
    angle: float = 0,
    softness: float = 0.1,
    roughness: float = 0,
    hexagonal: float = 0,
) -> Tensor:
    def one(value: float) -> Tensor:
        return torch.full((1, 1), float(value))

    drawn = draw_flakes(
        side,
        one(radius),
        one(length),
        one(angle),
        one(softness),
        one(roughness),
        one(hexagonal),
        seeded(),
    )
    return drawn[0, 0]


def test_points_between_pixels_keep_their_place_and_weight() -> None:
    value, row, column = (torch.tensor(v).view(1, 1, 1) for v in (3.0, 5.25, 7.6))
    image = scatter_points(value, row, column, (12, 14))[0, 0]
    assert image.sum().item() == pytest.approx(3, abs=1e-5)
    assert moments(image)[0] == pytest.approx([5.25, 7.6], abs=1e-5)
    assert (image > 0).sum() == 4


def test_splat_is_what_a_loop_over_patches_adds_up() -> None:
    patches = torch.rand(2, 3, 20, 5, 4, generator=seeded())
    rows = torch.randint(-6, 12, (2, 3, 20), generator=seeded(1))
    columns = torch.randint(-6, 12, (2, 3, 20), generator=seeded(2))
    expected = np.zeros((2, 3, 30, 30))
    for index in np.ndindex(2, 3, 20):
        row, column = int(rows[index]) + 10, int(columns[index]) + 10
        expected[index[:2]][row : row + 5, column : column + 4] += patches[index].numpy()
    drawn = splat(patches, rows, columns, (9, 11))
    np.testing.assert_allclose(drawn.numpy(), expected[:, :, 10:19, 10:21], atol=2e-5)


def test_the_order_of_patches_does_not_show() -> None:
    patches = torch.rand(1, 1, 500, 6, 6, generator=seeded())
    rows = torch.randint(-6, 8, (1, 1, 500), generator=seeded(1))
    columns = torch.randint(-6, 8, (1, 1, 500), generator=seeded(2))
    other = torch.randperm(500, generator=seeded(3))
    first = splat(patches, rows, columns, (8, 8))
    second = splat(patches[:, :, other], rows[..., other], columns[..., other], (8, 8))
    assert torch.equal(first, second)


@pytest.mark.parametrize("degrees", [0, 30, 90, 140])
def test_a_streak_has_the_length_and_direction_asked_for(degrees: int) -> None:
    point = torch.zeros(1, 1, 80, 90)
    point[..., 40, 45] = 1
    width, length, angle = (torch.full((1, 1, 1, 1), v) for v in (1.2, 18.0, math.radians(degrees)))
    line = streak(point, width, length, angle)[0, 0]
    assert line.sum().item() == pytest.approx(1, abs=0.01)
    centre, covariance = moments(line)
    assert centre == pytest.approx([40, 45], abs=0.05)
    # The variance of a line is its length squared over 12; the spot's adds to it.
    along = np.array([math.sin(math.radians(degrees)), math.cos(math.radians(degrees))])
    across = np.array([along[1], -along[0]])
    assert along @ covariance @ along == pytest.approx(18**2 / 12 + 1.2**2, rel=0.03)
    assert across @ covariance @ across == pytest.approx(1.2**2, rel=0.1)


def test_a_flake_has_the_area_of_its_shape() -> None:
    disc = one_flake(radius=8)
    assert disc.sum().item() == pytest.approx(math.pi * 8**2, rel=0.02)
    capsule = one_flake(radius=5, length=20)
    assert capsule.sum().item() == pytest.approx(math.pi * 5**2 + 2 * 5 * 20, rel=0.02)
    # `radius` is that of the circle within the hexagon.
    hexagon = one_flake(radius=8, hexagonal=1)
    assert hexagon.sum().item() == pytest.approx(2 * 3**0.5 * 8**2, rel=0.02)


def test_a_flake_streaks_the_way_asked_for() -> None:
    angle = math.radians(50)
    covariance = moments(one_flake(radius=3, length=30, angle=angle))[1]
    long_axis = np.linalg.eigh(covariance)[1][:, 1]
    assert abs(long_axis @ [math.sin(angle), math.cos(angle)]) > 0.999


def test_soft_flakes_fade_and_hard_ones_do_not() -> None:
    soft, hard = one_flake(softness=0.9), one_flake(softness=0.05)
    assert ((soft > 0.1) & (soft < 0.9)).sum() > 3 * ((hard > 0.1) & (hard < 0.9)).sum()
    assert hard[30, 30] == 1


def test_rough_flakes_each_have_their_own_shape_and_end_within_their_square() -> None:
    flakes = torch.full((1, 40), 15.0)
    zero = torch.zeros_like(flakes)
    drawn = draw_flakes(33, flakes, zero, zero, zero + 0.3, zero + 0.6, zero, seeded())
    assert drawn.shape == (1, 40, 33, 33)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    edge = torch.cat((drawn[..., 0, :], drawn[..., -1, :], drawn[..., :, 0], drawn[..., :, -1]))
    assert edge.max() < 0.2
    assert drawn.std(dim=1).mean() > 0.1
    smooth = draw_flakes(33, flakes, zero, zero, zero + 0.3, zero, zero, seeded())
    assert smooth.std(dim=1).max() < 1e-6
