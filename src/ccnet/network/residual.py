"""The plain residual block, which the paper's ablation holds against the star module.

Paper: Hao et al., arXiv 2412.11008.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network.averages import Average, picture_average
from ccnet.network.integration import LargeDynamicIntegrationModule, Strips


class ResidualModule(nn.Module):
    """A 3x3 convolution, GELU, a 3x3 convolution, and the input added.

    (N, channels, H, W) to the same shape. With `strips`, a `LargeDynamicIntegrationModule` stands
    before the last convolution, where the star module has it.
    """

    def __init__(self, channels: int, strips: Strips | None = None) -> None:
        super().__init__()
        self.entrance = nn.Conv2d(channels, channels, 3, padding=1)
        self.integration = LargeDynamicIntegrationModule(channels, strips) if strips else None
        self.projection = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        entered = F.gelu(self.entrance(features))
        if self.integration is not None:
            entered = self.integration(entered, average)
        projected: Tensor = self.projection(entered)
        return projected + features
