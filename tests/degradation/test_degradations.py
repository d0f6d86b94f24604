"""What haze, blur and snow have in common: strengths, seeds, sizes and ranges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from ccnet.degradation import DEGRADATIONS
from ccnet.errors import UsageError

every_kind = pytest.mark.parametrize("kind", DEGRADATIONS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photograph() -> Tensor:
    return torch.from_numpy(data.astronaut()[::4, ::4] / 255).permute(2, 0, 1)[None].float()


@every_kind
def test_strength_0_leaves_the_picture_bit_for_bit(kind: str) -> None:
    clean = photograph()
    assert torch.equal(DEGRADATIONS[kind](clean, seeded(), strength=0), clean)


@every_kind
@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_other_strengths_are_refused(kind: str, strength: float) -> None:
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        DEGRADATIONS[kind](photograph(), seeded(), strength)


@every_kind
def test_more_strength_leaves_less_of_the_picture(kind: str) -> None:
    clean = photograph().expand(16, -1, -1, -1)
    errors = [
        (DEGRADATIONS[kind](clean, seeded(), strength) - clean).square().mean().item()
        for strength in (0.05, 0.3, 0.6, 1)
    ]
    assert errors == sorted(errors)
    assert errors[0] > 0


@every_kind
def test_up_to_one_training_picture_in_ten_stays_exactly_as_it_was(kind: str) -> None:
    # Those without haze may still have noise and JPEG.
    clean = photograph()[:, :, ::4, ::4].expand(300, -1, -1, -1)
    same = (DEGRADATIONS[kind](clean, seeded()) == clean).flatten(1).all(1)
    assert 2 < same.sum() < 50


@every_kind
def test_a_batch_holds_different_pictures_and_a_seed_repeats_it(kind: str) -> None:
    clean = photograph().expand(3, -1, -1, -1)
    first, again, other = (DEGRADATIONS[kind](clean, seeded(seed), 0.8) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[0] - first[1]).abs().mean() > 0.005


@every_kind
@settings(max_examples=25)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    strength=st.none() | st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_any_size_gives_a_picture_in_range(
    kind: str, height: int, width: int, strength: float | None, seed: int
) -> None:
    clean = torch.rand(2, 3, height, width, generator=seeded(seed))
    degraded = DEGRADATIONS[kind](clean, seeded(seed), strength)
    assert degraded.shape == clean.shape
    assert degraded.dtype == torch.float32
    assert degraded.min() >= 0
    assert degraded.max() <= 1


@every_kind
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_of_flat_pictures_only_haze_and_snow_change_the_light(kind: str, value: float) -> None:
    degraded = DEGRADATIONS[kind](torch.full((16, 3, 40, 50), value), seeded(), 0.6)
    change = (degraded - value).abs().mean().item()
    if kind == "blur":  # but for noise, which lies on one side of black and of white
        assert change < 0.01
    elif value == 0:
        assert change > 0.03
    else:  # the air and the flakes are bright themselves
        assert change < 0.2
