"""Large dynamic integration module (LDIM): long filters that each picture makes for itself.

Paper: Hao et al., arXiv 2412.11008. A strip of k taps with dilation d reaches (k - 1) / 2 * d
pixels to each side; with k = 11 the two strips of one direction reach 5 + 30 = 35 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network import on_gpu
from ccnet.network.averages import Average, picture_average


def filter_by_convolution(rows: Tensor, filters: Tensor, dilation: int) -> Tensor:
    """Filter each row of (N, C, H, W) with its sample's taps (N, k), the border reflected.

    Work per pixel: k products. W must be longer than (k - 1) / 2 * dilation.
    """
    samples, taps = filters.shape
    channels = rows.shape[1]
    reach = (taps - 1) // 2 * dilation
    padded = F.pad(rows, (reach, reach, 0, 0), mode="reflect")
    kernels = filters[:, None].expand(-1, channels, -1).reshape(-1, 1, 1, taps)
    one_sample = padded.reshape(1, -1, *padded.shape[2:])
    filtered = F.conv2d(one_sample, kernels, dilation=(1, dilation), groups=samples * channels)
    return filtered.reshape(rows.shape)


def filter_by_matrix(rows: Tensor, filters: Tensor, dilation: int) -> Tensor:
    """The same as `filter_by_convolution`, as a product with one banded W x W matrix per sample.

    Work per pixel: W products.
    """
    samples, taps = filters.shape
    length = rows.shape[3]
    offsets = (torch.arange(taps, device=rows.device) - (taps - 1) // 2) * dilation
    source = (torch.arange(length, device=rows.device)[:, None] + offsets).abs()
    source = torch.where(source < length, source, 2 * (length - 1) - source)
    entries = source + torch.arange(length, device=rows.device)[:, None] * length
    band = filters.new_zeros(samples, length * length).scatter_add(
        1,
        entries.reshape(1, -1).expand(samples, -1),
        filters[:, None].expand(-1, length, -1).reshape(samples, -1),
    )
    # One product for all channels of a sample, so that no product is made for each of them.
    product = rows.reshape(samples, -1, length) @ band.view(samples, length, length).mT
    return product.view(rows.shape)


class DynamicStrip(nn.Module):
    """Filter along one direction with `taps` numbers made from the picture's own averages.

    The averages of the channels go through a 1x1 convolution and a sigmoid; the filter is shared
    by all channels of a sample. The border is reflected, so the filtered side must be longer than
    (taps - 1) / 2 * dilation pixels. (N, channels, H, W) to the same shape.

    On a GPU where Triton runs it has a form of its own while no gradients are asked for.
    """

    def __init__(self, channels: int, taps: int, dilation: int, horizontal: bool) -> None:
        super().__init__()
        self.taps = taps
        self.dilation = dilation
        self.horizontal = horizontal
        self.to_filter = nn.Conv2d(channels, taps, 1, bias=False)

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        filters = self.make_filters(features, average)
        if on_gpu.triton_infers(features):
            given: Tensor = on_gpu.strips.strip(features, filters, self.dilation, self.horizontal)
            return given
        filters = filters.expand(features.shape[0], -1)
        rows = features if self.horizontal else features.transpose(2, 3)
        # The same sums in two forms: the gradient of a matrix product is several times cheaper
        # than that of a grouped convolution, but its work grows with the length of a row.
        if self.training:
            filtered = filter_by_matrix(rows, filters, self.dilation)
        else:
            filtered = filter_by_convolution(rows, filters, self.dilation)
        return filtered if self.horizontal else filtered.transpose(2, 3)

    def make_filters(self, features: Tensor, average: Average) -> Tensor:
        """Give each sample's taps (N, taps), or (1, taps) where the samples share an average."""
        return torch.sigmoid(self.to_filter(average(features))).flatten(1)


Strips = tuple[int, int]
"""Taps of the strips on the first and on the second half of the channels, odd numbers."""

PUBLISHED_STRIPS: Strips = (11, 7)


def wide_dilation(taps: int) -> int:
    """The dilation of a direction's second strip, which starts where the first one ends."""
    return (taps + 1) // 2


def smallest_side(strips: Strips) -> int:
    """The shortest side of features that the strips can reflect: 31 for the published ones."""
    longest = max(strips)
    return (longest - 1) // 2 * wide_dilation(longest) + 1


class DynamicStrips(nn.Module):
    """Four strips in a row, two along the width and two along the height: gamma*strips(x) + beta*x.

    `gamma` starts at 0 and `beta` at 1, so a new unit passes its input through.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.strips = nn.ModuleList(
            DynamicStrip(channels, taps, dilation, horizontal)
            for horizontal in (True, False)
            for dilation in (1, wide_dilation(taps))
        )
        self.gamma = nn.Parameter(torch.zeros(channels, 1, 1))
        self.beta = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        filtered = features
        *earlier, last = self.strips
        for strip in earlier:
            filtered = strip(filtered, average)
        if isinstance(last, DynamicStrip) and on_gpu.triton_infers(features):
            blended: Tensor = on_gpu.strips.strip(
                filtered,
                last.make_filters(filtered, average),
                last.dilation,
                last.horizontal,
                features,
                self.gamma,
                self.beta,
            )
        else:
            blended = self.gamma * last(filtered, average) + self.beta * features
        return blended


class LargeDynamicIntegrationModule(nn.Module):
    """Long strips on the first half of the channels and shorter ones on the second.

    (N, channels, H, W) to the same shape; H and W at least `smallest_side(strips)`.
    """

    def __init__(self, channels: int, strips: Strips = PUBLISHED_STRIPS) -> None:
        super().__init__()
        self.long = DynamicStrips(channels // 2, strips[0])
        self.short = DynamicStrips(channels // 2, strips[1])

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        first, second = features.chunk(2, dim=1)
        return torch.cat((self.long(first, average), self.short(second, average)), dim=1)
