"""Large dynamic integration module (LDIM): long filters that each picture makes for itself.

Paper: Hao et al., arXiv 2412.11008. A strip of k taps with dilation d reaches (k - 1) / 2 * d
pixels to each side; with k = 11 the two strips of one direction reach 5 + 30 = 35 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network.averages import Average, picture_average


class DynamicStrip(nn.Module):
    """Filter along one direction with `taps` numbers made from the picture's own averages.

    The averages of the channels go through a 1x1 convolution and a sigmoid; the filter is shared
    by all channels of a sample. The border is reflected, so the filtered side must be longer than
    (taps - 1) / 2 * dilation pixels. (N, channels, H, W) to the same shape.
    """

    def __init__(self, channels: int, taps: int, dilation: int, horizontal: bool) -> None:
        super().__init__()
        self.taps = taps
        self.dilation = dilation
        self.horizontal = horizontal
        self.to_filter = nn.Conv2d(channels, taps, 1, bias=False)

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        filters = torch.sigmoid(self.to_filter(average(features)))
        axis = 3 if self.horizontal else 2
        length = features.shape[axis]
        reach = (self.taps - 1) // 2 * self.dilation
        sides = (reach, reach, 0, 0) if self.horizontal else (0, 0, reach, reach)
        padded = F.pad(features, sides, mode="reflect")
        # A sum of shifted copies: every sample has its own filter, and one grouped convolution
        # for that is slower on the CPU than this, which the compiler makes into a single loop.
        shifted = (
            filters[:, tap : tap + 1] * padded.narrow(axis, tap * self.dilation, length)
            for tap in range(self.taps)
        )
        return torch.stack(list(shifted)).sum(0)


class DynamicStrips(nn.Module):
    """Four strips in a row, two along the width and two along the height: gamma*strips(x) + beta*x.

    `gamma` starts at 0 and `beta` at 1, so a new unit passes its input through.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        wide = (taps + 1) // 2
        self.strips = nn.ModuleList(
            DynamicStrip(channels, taps, dilation, horizontal)
            for horizontal in (True, False)
            for dilation in (1, wide)
        )
        self.gamma = nn.Parameter(torch.zeros(channels, 1, 1))
        self.beta = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        filtered = features
        for strip in self.strips:
            filtered = strip(filtered, average)
        return self.gamma * filtered + self.beta * features


class LargeDynamicIntegrationModule(nn.Module):
    """Strips of 11 taps on the first half of the channels and of 7 on the second.

    (N, channels, H, W) to the same shape; H and W at least 31, which the longest strip needs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.long = DynamicStrips(channels // 2, taps=11)
        self.short = DynamicStrips(channels // 2, taps=7)

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        first, second = features.chunk(2, dim=1)
        return torch.cat((self.long(first, average), self.short(second, average)), dim=1)
