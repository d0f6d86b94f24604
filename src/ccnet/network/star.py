"""Efficient residual star module (ERSM), the building block of CCNet.

Paper: Hao et al., "Towards Context-aware Convolutional Network for Image Restoration",
arXiv 2412.11008.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network import on_gpu
from ccnet.network.averages import Average, picture_average
from ccnet.network.integration import LargeDynamicIntegrationModule, Strips


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels at each pixel, (N, C, H, W) to the same shape, eps 1e-5.

    On a GPU where Triton runs it has a form of its own while no gradients are asked for.
    """

    def forward(self, features: Tensor) -> Tensor:
        if on_gpu.triton_infers(features):
            normed: Tensor = on_gpu.channel_norm.channel_norm(
                features, self.weight, self.bias, self.eps
            )
            return normed
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Surroundings(nn.Conv2d):
    """A depthwise convolution, (N, channels, H, W) to the same shape; `side` is an odd number.

    On a GPU where Triton runs the published 9x9 has a form of its own, several times faster.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(channels, channels, side, padding=side // 2, groups=channels)

    def forward(self, features: Tensor) -> Tensor:
        if not self.in_triton(features):
            return super().forward(features)
        assert self.bias is not None
        convolved: Tensor = on_gpu.depthwise.depthwise(features, self.weight)
        return convolved + self.bias.to(features.dtype)[:, None, None]

    def in_triton(self, features: Tensor) -> bool:
        """Tell whether these features (N, channels, H, W) take that form."""
        return (
            on_gpu.triton_runs(features)
            and self.kernel_size[0] == on_gpu.depthwise.WINDOW
            and features[0].numel() <= on_gpu.depthwise.LARGEST
        )


class EfficientResidualStarModule(nn.Module):
    """Multiply a branch that sees its surroundings with one that does not, and add the input.

    (N, channels, H, W) to the same shape. `window` is the side of the kernel that sees the
    surroundings, an odd number. With `strips`, a `LargeDynamicIntegrationModule` stands before the
    last convolution, as in the last module of each stage of CCNet.

    Where `Surroundings` has a form of its own and no gradients are asked for, what is done to each
    value behind it has one too.
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
        context, plain = self.context(normed), self.plain(normed)
        seen = self.surroundings
        if not torch.is_grad_enabled() and seen.in_triton(context):
            convolved = on_gpu.depthwise.depthwise(context, seen.weight)
            star = on_gpu.star_tail.star_tail(convolved, seen.bias, plain)
        else:
            star = F.gelu(F.gelu(seen(context)) * plain)
        if self.integration is not None:
            star = self.integration(star, average)
        projected: Tensor = self.projection(star)
        return projected + features
