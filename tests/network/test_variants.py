from __future__ import annotations

import pytest

from ccnet.network import VARIANTS


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dehaze-indoor", 4_264_529),
        ("dehaze-outdoor", 4_264_529),
        ("desnow", 4_757_589),
        ("deblur", 11_173_509),
        ("small", 461_401),
    ],
)
def test_variants_have_the_parameters_they_are_known_for(name: str, parameters: int) -> None:
    network = VARIANTS[name].build()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
