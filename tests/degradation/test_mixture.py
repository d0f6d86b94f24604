"""A batch of all three: each third is what its own degradation makes."""

import pytest
import torch

from ccnet.degradation import mixture
from ccnet.degradation.mixture import add_any
from ccnet.errors import UsageError


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_third_has_another_degradation(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    marks = {"add_haze": 0.1, "add_blur": 0.2, "add_snow": 0.3}
    for name, mark in marks.items():
        monkeypatch.setattr(
            mixture, name, lambda part, _generator, strength, mark=mark: part * 0 + mark * strength
        )
    generator = torch.Generator().manual_seed(seed)
    degraded = add_any(torch.rand(7, 3, 8, 8), generator, strength=0.5)
    found = (degraded.mean((1, 2, 3)) / 0.5).tolist()
    expected = [*marks.values(), *marks.values()][seed : seed + 3]
    assert found == pytest.approx([expected[place] for place in (0, 0, 0, 1, 1, 2, 2)])


def test_a_batch_smaller_than_three_works() -> None:
    for count in (1, 2):
        clean = torch.rand(count, 3, 32, 32)
        assert add_any(clean, torch.Generator().manual_seed(5)).shape == clean.shape


def test_strength_0_changes_nothing_and_others_are_refused() -> None:
    clean = torch.rand(3, 3, 16, 16)
    assert torch.equal(add_any(clean, strength=0), clean)
    with pytest.raises(UsageError):
        add_any(clean, strength=1.1)
