from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ccnet.network.integration import PUBLISHED_STRIPS
from ccnet.network.star import ChannelNorm, EfficientResidualStarModule


def test_norms_over_the_channels_at_each_pixel() -> None:
    features = np.random.default_rng(0).normal(2, 3, (2, 6, 4, 5))
    norm = ChannelNorm(6).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    centred = features - features.mean(1, keepdims=True)
    normed = centred / np.sqrt(features.var(1, keepdims=True) + 1e-5)
    weight, bias = (p.detach().numpy().reshape(1, 6, 1, 1) for p in (norm.weight, norm.bias))
    np.testing.assert_allclose(
        norm(torch.from_numpy(features)).detach().numpy(), normed * weight + bias
    )


def test_passes_its_input_through_where_the_projection_is_nothing() -> None:
    module = EfficientResidualStarModule(4)
    nn.init.zeros_(module.projection.weight)
    assert module.projection.bias is not None
    nn.init.zeros_(module.projection.bias)
    features = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(module(features), features, rtol=0, atol=0)


def test_sees_nine_pixels_across_before_its_projection() -> None:
    torch.manual_seed(0)
    module = EfficientResidualStarModule(4)
    features = torch.randn(1, 4, 31, 31)
    touched = features.clone()
    touched[0, 0, 15, 15] += 1
    changed = (module(touched) - module(features)).abs().sum((0, 1)) > 0
    rows = torch.nonzero(changed.any(1)).flatten()
    # 4 pixels to each side by the 9x9 convolution, 1 more by the 3x3 one
    assert rows.tolist() == list(range(10, 21))


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_gradients_are_those_of_the_function(training: bool) -> None:
    torch.manual_seed(0)
    module = EfficientResidualStarModule(2, PUBLISHED_STRIPS).double().train(training)
    for name, parameter in module.named_parameters():
        if name.endswith("gamma"):
            nn.init.normal_(parameter)
    names, parameters = zip(*module.named_parameters(), strict=True)
    features = torch.randn(2, 2, 31, 32, dtype=torch.float64, requires_grad=True)

    def run(features: Tensor, *parameters: Tensor) -> Tensor:
        restored: Tensor = torch.func.functional_call(
            module, dict(zip(names, parameters, strict=True)), features
        )
        return restored

    assert torch.autograd.gradcheck(run, (features, *parameters), fast_mode=True)
