from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccnet.network import CCNet
from ccnet.weights.published import from_published, to_published

Shapes = dict[str, tuple[int, ...]]


def shapes_of(width: int, modules: int) -> Shapes:
    with torch.device("meta"):
        network = CCNet(width=width, modules=modules)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize(
    ("checkpoint", "width", "modules"), [("its", 40, 4), ("csd", 36, 6), ("gopro", 36, 16)]
)
def test_names_and_shapes_map_both_ways(
    published_shapes: Callable[[str], Shapes], checkpoint: str, width: int, modules: int
) -> None:
    published = published_shapes(checkpoint)
    ours = shapes_of(width, modules)
    assert from_published(published) == ours
    assert to_published(ours) == published


@settings(max_examples=10)
@given(width=st.integers(1, 40).map(lambda half: 2 * half), modules=st.integers(1, 12))
def test_there_and_back_is_the_same_for_any_size(width: int, modules: int) -> None:
    ours = shapes_of(width, modules)
    published = to_published(ours)
    assert not published.keys() & ours.keys()
    assert from_published(published) == ours


def test_drops_the_prefix_of_data_parallel(published_shapes: Callable[[str], Shapes]) -> None:
    published = published_shapes("its")
    prefixed = {f"module.{name}": shape for name, shape in published.items()}
    assert from_published(prefixed) == from_published(published)


@pytest.mark.parametrize(
    "name", ["", "weight", "Encoder.0.layers", "Encoder.3.layers.0.conv2.main.0.weight", "a.b.c"]
)
def test_leaves_names_it_does_not_know(name: str) -> None:
    assert from_published({name: 1}) == {name: 1}
    assert to_published({name: 1}) == {name: 1}
