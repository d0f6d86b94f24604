"""Efficient residual star module (ERSM), the building block of CCNet.

Paper: Hao et al., "Towards Context-aware Convolutional Network for Image Restoration",
arXiv 2412.11008.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network.averages import Average, picture_average
from ccnet.network.integration import LargeDynamicIntegrationModule, Strips

try:
    from ccnet.network import channel_norm, depthwise
except ImportError:  # PyTorch for CPUs comes without Triton
    channel_norm = depthwise = None  # type: ignore[assignment]


def _triton_runs(features: Tensor) -> bool:
    return depthwise is not None and features.is_cuda and depthwise.works(features.device)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels at each pixel, (N, C, H, W) to the same shape, eps 1e-5.

    On a GPU where Triton runs it has a form of its own while no gradients are asked for.
    """

    def forward(self, features: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and _triton_runs(features):
            normed: Tensor = channel_norm.channel_norm(features, self.weight, self.bias, self.eps)
            return normed
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Surroundings(nn.Conv2d):
    """A depthwise convolution, (N, channels, H, W) to the same shape; `side` is an odd number.

    On a GPU where Triton runs the published 9x9 has a form of its own, several times faster.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(channels, channels, side, padding=side // 2, groups=channels)

    def forward(self, features: Tensor) -> Tensor:
        if (
            not _triton_runs(features)
            or self.kernel_size[0] != depthwise.WINDOW
            or features[0].numel() > depthwise.LARGEST
        ):
            return super().forward(features)
        assert self.bias is not None
        convolved: Tensor = depthwise.depthwise(features, self.weight)
        return convolved + self.bias.to(features.dtype)[:, None, None]


class EfficientResidualStarModule(nn.Module):
    """Multiply a branch that sees its surroundings with one that does not, and add the input.

    (N, channels, H, W) to the same shape. `window` is the side of the kernel that sees the
    surroundings, an odd number. With `strips`, a `LargeDynamicIntegrationModule` stands before the
    last convolution, as in the last module of each stage of CCNet.
    """

    def __init__(self, channels: int, strips: Strips | None = None, window: int = 9) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.context = nn.Conv2d(channels, channels, 1, bias=False)
        self.surroundings = Surroundings(channels, window)
        self.plain = nn.Conv2d(channels, channels, 1, bias=False)
        self.integration = LargeDynamicIntegrationModule(channels, strips) if strips else None
        self.projection = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        normed = self.norm(features)
        context = F.gelu(self.surroundings(self.context(normed)))
        star = F.gelu(context * self.plain(normed))
        if self.integration is not None:
            star = self.integration(star, average)
        projected: Tensor = self.projection(star)
        return projected + features
