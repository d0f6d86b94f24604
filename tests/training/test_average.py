"""The moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ccnet.training.average import decay_at, update_average


def test_is_the_recursion_of_an_exponential_average() -> None:
    network, average = nn.Linear(3, 2), nn.Linear(3, 2)
    expected = [parameter.detach().double() for parameter in average.parameters()]
    for step in range(5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.randn(parameter.shape))
        decay = 0.5 + step / 10
        expected = [
            decay * mean + (1 - decay) * parameter.detach().double()
            for mean, parameter in zip(expected, network.parameters(), strict=True)
        ]
        update_average(average, network, decay)
    for ours, mean in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.double(), mean, rtol=1e-5, atol=1e-6)


def test_decay_rises_to_its_value() -> None:
    assert decay_at(0, 0.999) == pytest.approx(0.1)
    assert decay_at(90, 0.999) == pytest.approx(0.91)
    assert decay_at(100_000, 0.999) == 0.999
    assert decay_at(0, 0.0) == 0.0
