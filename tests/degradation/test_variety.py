"""Pairs for training: drawings stay as they are, and some pairs lose their colour, both sides."""

import torch
from torch import Tensor

from ccnet.degradation.variety import draw, vary_and_degrade


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def redden(clean: Tensor, _generator: torch.Generator) -> Tensor:
    return clean * clean.new_tensor((1.0, 0.5, 0.5)).view(1, 3, 1, 1)


def test_drawings_are_made_of_few_colours() -> None:
    drawings = draw(torch.zeros(60, 3, 64, 48), seeded())
    assert drawings.shape == (60, 3, 64, 48)
    assert drawings.amin() >= 0
    assert drawings.amax() <= 1
    colours = [len(one.flatten(1).unique(dim=1).T) for one in drawings]
    # Flat but for those that are shaded from side to side.
    assert 30 <= sum(count <= 20 for count in colours) <= 55


def test_a_few_pairs_are_drawings_with_nothing_to_restore() -> None:
    photographs = 0.2 + 0.6 * torch.rand(600, 3, 16, 16, generator=seeded(1))
    degraded, clean = vary_and_degrade(photographs, redden, seeded())
    same = (degraded == clean).flatten(1).all(1)
    gray = (clean == clean[:, :1]).flatten(1).all(1)
    assert 15 <= (same & ~gray).sum() <= 50
    others = ~same & ~gray
    torch.testing.assert_close(degraded[others], redden(clean[others], seeded()))


def test_a_few_pairs_have_no_colour_on_either_side() -> None:
    photographs = 0.2 + 0.6 * torch.rand(600, 3, 16, 16, generator=seeded(1))
    degraded, clean = vary_and_degrade(photographs, redden, seeded())
    gray = (clean == clean[:, :1]).flatten(1).all(1)
    assert 18 <= gray.sum() <= 60
    assert torch.equal(gray, (degraded == degraded[:, :1]).flatten(1).all(1))
    same = (degraded == clean).flatten(1).all(1)
    assert 5 <= (gray & same).sum() <= gray.sum() - 5


def test_the_same_seed_makes_the_same_pairs() -> None:
    photographs = torch.rand(40, 3, 16, 16, generator=seeded(1))
    first, again = (vary_and_degrade(photographs, redden, seeded(3)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
