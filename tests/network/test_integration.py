from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccnet.network.integration import (
    DynamicStrip,
    DynamicStrips,
    LargeDynamicIntegrationModule,
    filter_by_convolution,
    filter_by_matrix,
)


def strip_by_numpy(
    features: np.ndarray, weights: np.ndarray, dilation: int, axis: int
) -> np.ndarray:
    """A dynamic strip, one sample and one tap at a time."""
    taps = len(weights)
    reach = (taps - 1) // 2 * dilation
    length = features.shape[axis]
    filtered = np.zeros_like(features)
    for sample, into in zip(features, filtered, strict=True):
        filters = 1 / (1 + np.exp(-weights @ sample.mean((1, 2))))
        widths = [(0, 0)] * 3
        widths[axis - 1] = (reach, reach)
        padded = np.pad(sample, widths, mode="reflect")
        for tap in range(taps):
            start = tap * dilation
            into += filters[tap] * np.take(padded, range(start, start + length), axis - 1)
    return filtered


@pytest.mark.parametrize("training", [False, True], ids=["convolution", "matrix"])
@settings(max_examples=25)
@given(
    taps=st.sampled_from([7, 11]),
    wide=st.booleans(),
    horizontal=st.booleans(),
    along=st.integers(31, 50),
    across=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_a_strip_filters_as_defined(
    training: bool, taps: int, wide: bool, horizontal: bool, along: int, across: int, seed: int
) -> None:
    dilation = (taps + 1) // 2 if wide else 1
    strip = DynamicStrip(3, taps, dilation, horizontal).double().train(training)
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(taps, 3))
    shape = (2, 3, across, along) if horizontal else (2, 3, along, across)
    features = generator.normal(size=shape)
    with torch.no_grad():
        strip.to_filter.weight.copy_(torch.from_numpy(weights)[:, :, None, None])
        filtered = strip(torch.from_numpy(features)).numpy()
    expected = strip_by_numpy(features, weights, dilation, 3 if horizontal else 2)
    np.testing.assert_allclose(filtered, expected, rtol=1e-10, atol=1e-10)


def test_both_forms_have_the_same_gradients() -> None:
    rows = torch.randn(2, 3, 4, 33, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(2, 11, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 4, 33, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((form(rows, filters, 6) * weight).sum(), (rows, filters))
        for form in (filter_by_convolution, filter_by_matrix)
    ]
    for of_convolution, of_matrix in zip(*gradients, strict=True):
        torch.testing.assert_close(of_convolution, of_matrix)


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_starts_by_passing_its_input_through(training: bool) -> None:
    features = torch.randn(2, 8, 31, 35)
    module = LargeDynamicIntegrationModule(8).train(training)
    torch.testing.assert_close(module(features), features, rtol=0, atol=0)


def test_strips_run_in_a_row_and_are_blended_by_channel() -> None:
    torch.manual_seed(0)
    strips = DynamicStrips(4, taps=7).eval()
    torch.nn.init.normal_(strips.gamma)
    torch.nn.init.normal_(strips.beta)
    order: list[tuple[object, object]] = [(s.horizontal, s.dilation) for s in strips.strips]
    assert order == [(True, 1), (True, 4), (False, 1), (False, 4)]
    features = torch.randn(2, 4, 20, 25)
    filtered = features.numpy()
    for strip in strips.strips:
        assert isinstance(strip, DynamicStrip)
        weights = strip.to_filter.weight.detach().numpy()[:, :, 0, 0]
        filtered = strip_by_numpy(filtered, weights, strip.dilation, 3 if strip.horizontal else 2)
    expected = strips.gamma * torch.from_numpy(filtered) + strips.beta * features
    torch.testing.assert_close(strips(features), expected, rtol=1e-4, atol=1e-4)


def test_the_first_half_of_the_channels_goes_through_the_longer_strips() -> None:
    module = LargeDynamicIntegrationModule(6)
    torch.nn.init.ones_(module.long.gamma)
    features = torch.randn(1, 6, 31, 31)
    integrated = module(features)
    torch.testing.assert_close(integrated[:, 3:], features[:, 3:], rtol=0, atol=0)
    assert (integrated[:, :3] - features[:, :3]).abs().min() > 0
    assert {strip.taps for strip in module.long.strips} == {11}
    assert {strip.taps for strip in module.short.strips} == {7}
