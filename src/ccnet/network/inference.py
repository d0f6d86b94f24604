"""A trained network in the form that is run: equal to rounding, cheaper, and not for training.

It is derived from a `CCNet` and stays one, so that whoever runs a network need not know which it
is. What pays hangs on what runs it (`benchmarks/inference.py`):

- a dynamic strip's filter is a single row of taps for all channels, so it is a sum of shifted
  copies of its input. In eager float32 on a CPU that is two to four times faster than a grouped
  convolution, for it keeps to any memory layout and needs no copy for each direction;
- a layer norm followed by 1x1 convolutions is one convolution of centred kernels, divided by each
  pixel's deviation. A compiler runs that division with what follows; eager PyTorch takes several
  passes through memory for it, and there its own layer norm is faster.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network.averages import Average, picture_average
from ccnet.network.ccnet import CCNet, Stage
from ccnet.network.integration import DynamicStrip, DynamicStrips
from ccnet.network.star import EfficientResidualStarModule


def for_inference(network: CCNet, *, fold: bool = False) -> CCNet:
    """Copy a network, in eval mode and without gradients, in the form that is run.

    Args:
        network: Any `CCNet`, one in this form too; it is left as it is.
        fold: Whether to fold the layer norms into the convolutions that follow them.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, DynamicStrips):
            module.strips = nn.ModuleList(
                ShiftedStrip(strip) if isinstance(strip, DynamicStrip) else strip
                for strip in module.strips
            )
        if fold and isinstance(module, Stage):
            module.modules_ = nn.ModuleList(
                FoldedStarModule(block) if isinstance(block, EfficientResidualStarModule) else block
                for block in module.modules_
            )
    return network


def filter_by_shifts(features: Tensor, filters: Tensor, dilation: int, horizontal: bool) -> Tensor:
    """Filter (N, C, H, W) along one direction with each sample's taps (N, k), reflected outside.

    The filtered side must be longer than (k - 1) / 2 * dilation.
    """
    taps = filters.shape[1]
    reach = (taps - 1) // 2 * dilation
    axis = 3 if horizontal else 2
    length = features.shape[axis]
    margins = (reach, reach, 0, 0) if horizontal else (0, 0, reach, reach)
    padded = F.pad(features, margins, mode="reflect")
    first, *others = filters.to(features.dtype)[:, :, None, None, None].unbind(1)
    filtered = padded.narrow(axis, 0, length) * first
    for shift, tap in enumerate(others, 1):
        filtered.addcmul_(padded.narrow(axis, shift * dilation, length), tap)
    return filtered


class ShiftedStrip(nn.Module):
    """A `DynamicStrip` that filters by shifts; (N, C, H, W) to the same shape."""

    def __init__(self, strip: DynamicStrip) -> None:
        super().__init__()
        self.dilation = strip.dilation
        self.horizontal = strip.horizontal
        self.to_filter = strip.to_filter

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        filters = torch.sigmoid(self.to_filter(average(features))).flatten(1)
        return filter_by_shifts(features, filters, self.dilation, self.horizontal)


class FoldedStarModule(nn.Module):
    """An `EfficientResidualStarModule` whose norm and 1x1 convolutions are one convolution.

    With the mean m and the deviation s of a pixel x over its channels, and the norm's weight w and
    bias b, A(w * (x - m) / s + b) = A'x / s + Ab, where the rows of A' are those of A * w less
    their means. (N, C, H, W) to the same shape.

    Attributes:
        joined: A' of the context branch, then that of the plain one, without a bias.
        bias: Ab of both.
        eps: What the norm adds to the variance.
    """

    bias: Tensor

    def __init__(self, star: EfficientResidualStarModule) -> None:
        super().__init__()
        both = torch.cat((star.context.weight, star.plain.weight)).detach()
        kernels = both * star.norm.weight.detach()[:, None, None]
        self.joined = nn.Conv2d(both.shape[1], both.shape[0], 1, bias=False)
        self.joined.weight = nn.Parameter(kernels - kernels.mean(1, keepdim=True), False)
        bias = F.conv2d(star.norm.bias.detach()[None, :, None, None], both)
        self.register_buffer("bias", bias)
        self.eps = star.norm.eps
        self.surroundings = star.surroundings
        self.integration = star.integration
        self.projection = star.projection

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        variance = features.var(1, correction=0, keepdim=True)
        joined = self.joined(features) * torch.rsqrt(variance + self.eps) + self.bias
        context, plain = joined.chunk(2, dim=1)
        star = F.gelu(F.gelu(self.surroundings(context)) * plain)
        if self.integration is not None:
            star = self.integration(star, average)
        projected: Tensor = self.projection(star)
        return projected + features
