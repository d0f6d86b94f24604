"""Paths have the length asked for, lie around their mean, and are sampled without gaps."""

import torch

from ccnet.degradation.trajectories import COORDINATES, MOMENTS, random_paths, sample_evenly


def drawn_paths(count: int) -> torch.Tensor:
    return random_paths(torch.zeros(count, 3, 8, 8), torch.Generator().manual_seed(0))


def test_every_path_has_length_1() -> None:
    paths = drawn_paths(50)
    assert paths.shape == (50, MOMENTS + 1, COORDINATES)
    torch.testing.assert_close(paths.diff(dim=1).norm(dim=2).sum(1), torch.ones(50))


def test_half_of_the_paths_are_nearly_straight_and_a_quarter_move_an_object() -> None:
    paths = drawn_paths(600)
    straight = (paths[:, -1] - paths[:, 0]).norm(dim=1) > 0.97
    with_object = paths[:, :, 4:].abs().amax((1, 2)) > 0
    assert 0.42 < straight.float().mean() < 0.6
    assert 0.19 < with_object.float().mean() < 0.31


def test_points_are_evenly_spaced_and_their_weighted_mean_is_0() -> None:
    positions, weights = sample_evenly(drawn_paths(50), 28)
    assert positions.shape == (50, 28, COORDINATES)
    torch.testing.assert_close(weights.sum(1), torch.ones(50))
    assert (weights >= 0).all()
    means = (weights[..., None] * positions).sum(1)
    torch.testing.assert_close(means, torch.zeros_like(means), atol=1e-6, rtol=0)
    # Straight from point to point is at most as far as along the path, 1/28 of its length.
    assert (positions.diff(dim=1).norm(dim=2) < 1.001 / 28).all()


def test_weights_are_the_time_spent() -> None:
    """A path of which the first half takes three quarters of the time."""
    moments = torch.linspace(0, 1, MOMENTS + 1)
    along = torch.where(moments < 0.75, moments / 1.5, 0.5 + (moments - 0.75) * 2)
    _, weights = sample_evenly(along.view(1, -1, 1), 10)
    expected = torch.tensor([0.15] * 5 + [0.05] * 5)[None]
    torch.testing.assert_close(weights, expected, atol=1e-5, rtol=0)


def test_a_path_that_stays_where_it_is_gives_equal_weights() -> None:
    positions, weights = sample_evenly(torch.full((2, MOMENTS + 1, 6), 3.0), 8)
    torch.testing.assert_close(positions, torch.zeros(2, 8, 6))
    torch.testing.assert_close(weights, torch.full((2, 8), 1 / 8))
