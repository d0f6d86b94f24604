from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from scipy.special import erf
from torch import nn

from ccnet.network.integration import Strips
from ccnet.network.residual import ResidualModule


def convolution_by_scipy(features: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    weight, bias = (p.detach().numpy() for p in layer.parameters())
    return np.stack(
        [
            sum(
                correlate(channel, kernel, mode="constant")
                for channel, kernel in zip(features, kernels, strict=True)
            )
            + offset
            for kernels, offset in zip(weight, bias, strict=True)
        ]
    )


def test_is_two_convolutions_with_a_gelu_between_them_and_its_input() -> None:
    torch.manual_seed(0)
    module = ResidualModule(4).double()
    features = np.random.default_rng(0).normal(size=(4, 9, 7))
    entered = convolution_by_scipy(features, module.entrance)
    entered = entered * (1 + erf(entered / np.sqrt(2))) / 2
    expected = convolution_by_scipy(entered, module.projection) + features
    with torch.no_grad():
        restored = module(torch.from_numpy(features)[None])[0].numpy()
    np.testing.assert_allclose(restored, expected)


@pytest.mark.parametrize("strips", [None, (5, 3)])
def test_sees_the_whole_picture_only_with_strips(strips: Strips | None) -> None:
    torch.manual_seed(0)
    module = ResidualModule(4, strips)
    for name, parameter in module.named_parameters():
        if name.endswith("gamma"):
            nn.init.normal_(parameter)
    features = torch.randn(1, 4, 31, 31)
    touched = features.clone()
    touched[0, 0, 15, 15] += 10
    changed = (module(touched) - module(features)).abs().sum((0, 1)) > 0
    # 1 pixel to each side by each 3x3 convolution
    assert int(changed.sum()) == (25 if strips is None else 31 * 31)
