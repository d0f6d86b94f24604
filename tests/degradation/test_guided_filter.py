"""The guided filter: means where they end at the border, and maps that follow their guide."""

import torch
from skimage import data

from ccnet.degradation.guided_filter import _box, guided_filter


def photograph() -> torch.Tensor:
    return torch.from_numpy(data.camera()[::4, ::4] / 255)[None, None].float()


def test_a_box_is_the_mean_of_what_lies_inside() -> None:
    values = torch.rand(1, 1, 70, 90, generator=torch.Generator().manual_seed(0))
    averaged = _box(values, 30)
    for row, column in ((0, 0), (69, 89), (35, 45), (0, 50)):
        rows = slice(max(0, row - 30), row + 31)
        columns = slice(max(0, column - 30), column + 31)
        expected = values[..., rows, columns].mean()
        assert torch.isclose(averaged[0, 0, row, column], expected, rtol=1e-5)


def test_a_map_that_is_linear_in_its_guide_is_kept() -> None:
    guide = photograph()
    found = guided_filter(0.7 - 0.4 * guide, guide, 8, 1e-8)
    torch.testing.assert_close(found, 0.7 - 0.4 * guide, atol=2e-3, rtol=0)


def test_a_reduced_map_gets_its_edge_back_from_the_guide() -> None:
    guide = torch.zeros(1, 1, 64, 64)
    guide[..., 29:] = 1
    coarse = torch.nn.functional.adaptive_avg_pool2d(guide, 16)
    found = guided_filter(coarse, guide, 2, 1e-4)
    assert (found - guide).abs().mean() < 0.02
    enlarged = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")
    assert (found - guide).abs().mean() < 0.5 * (enlarged - guide).abs().mean()
