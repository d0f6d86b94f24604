"""The stream of training batches."""

from __future__ import annotations

import itertools

import torch

from ccnet.datasets.batches import Share
from ccnet.datasets.crops import CropBatches
from ccnet.datasets.photographs import Photographs
from ccnet.datasets.seeds import seeded_generator


def batches(seed: int = 5, length: int = 6, reduction: float = 1.0) -> CropBatches:
    noise = torch.randint(256, (2, 3, 50, 40), generator=torch.Generator().manual_seed(0))
    photographs = Photographs(list(noise.to(torch.uint8)), ["a", "b"])
    return CropBatches(
        photographs, steps=length, share=Share(2), crop=16, seed=seed, reduction=reduction
    )


def test_a_seed_gives_the_same_batches_and_another_seed_others() -> None:
    first, again, other = list(batches()), list(batches()), list(batches(seed=6))
    assert len(first) == len(batches()) == 6
    for one, two, three in zip(first, again, other, strict=True):
        assert torch.equal(one.clean, two.clean)
        assert not torch.equal(one.clean, three.clean)
    for one, two in itertools.combinations(first, 2):
        assert not torch.equal(one.clean, two.clean)


def test_goes_on_where_its_state_says() -> None:
    whole = list(batches())
    begun = batches()
    for _ in itertools.islice(begun, 4):
        pass
    torch.rand(7)  # numbers drawn elsewhere must not matter
    resumed = batches()
    resumed.load_state_dict(begun.state_dict())
    rest = list(resumed)
    assert len(rest) == 2
    assert all(torch.equal(one.clean, two.clean) for one, two in zip(rest, whole[4:], strict=True))


def test_streams_differ_in_each_number() -> None:
    drawn = {
        tuple(torch.rand(4, generator=seeded_generator(seed, stream=stream, index=index)).tolist())
        for seed, stream, index in itertools.product(range(3), repeat=3)
    }
    assert len(drawn) == 27


def test_crops_are_reduced_by_what_is_asked_for() -> None:
    """Noise loses its deviation as it is averaged: by 2 in each direction, half of it."""
    loud, quiet = (
        torch.cat([batch.clean for batch in batches(length=40, reduction=by)]).std((1, 2, 3))
        for by in (1.0, 2.0)
    )
    assert loud.max() > 0.27  # some crops are hardly reduced
    assert quiet.max() < 0.2
