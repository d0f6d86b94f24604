"""CCNet, an encoder and decoder over three scales.

Paper: Hao et al., "Towards Context-aware Convolutional Network for Image Restoration",
arXiv 2412.11008. The multi-scale frame with its shallow inputs (SCM) and merges follows
MIMO-UNet (Cho et al., ICCV 2021). Outputs agree with the published code to float32 precision
(`tests/network/test_parity.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccnet.network.averages import Average, picture_average
from ccnet.network.integration import PUBLISHED_STRIPS, Strips, smallest_side
from ccnet.network.padding import MULTIPLE, pad_to_fit
from ccnet.network.residual import ResidualModule
from ccnet.network.star import EfficientResidualStarModule

Block = Literal["star", "residual"]


class Stage(nn.Module):
    """`modules` blocks in a row, the last with long-range integration if there are `strips`."""

    def __init__(
        self, channels: int, modules: int, block: Block, depthwise: int, strips: Strips | None
    ) -> None:
        super().__init__()
        in_order = [None] * (modules - 1) + [strips]
        self.modules_ = nn.ModuleList(
            EfficientResidualStarModule(channels, own, depthwise)
            if block == "star"
            else ResidualModule(channels, own)
            for own in in_order
        )

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        for module in self.modules_:
            features = module(features, average)
        return features


class PictureNorm(nn.Module):
    """Instance norm with weight and bias, its mean and variance taken by `average`, eps 1e-5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor, average: Average = picture_average) -> Tensor:
        centred = features - average(features)
        scale = self.weight[:, None, None] * torch.rsqrt(average(centred.square()) + 1e-5)
        return centred * scale + self.bias[:, None, None]


class ShallowInput(nn.Module):
    """Features of a reduced picture (the paper's SCM): (N, 3, H, W) to (N, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, channels // 4, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels // 4, channels // 2, 1),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels // 2, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 1),
        )
        self.norm = PictureNorm(channels)

    def forward(self, picture: Tensor, average: Average = picture_average) -> Tensor:
        features: Tensor = self.norm(self.convolutions(picture), average)
        return features


class CCNet(nn.Module):
    """Restore pictures: (N, 3, H, W) in [0, 1] to the same shape, not clamped.

    H and W may be anything from 1 up: what the network cannot take is reflected at the border and
    cropped again. Each picture of a batch comes out as alone.

    Args:
        width: Channels at full size, an even number.
        modules: Blocks in each of the six stages.
        block: What a stage is made of: the paper's star modules, or plain residual blocks.
        depthwise: Side of a star module's depthwise kernel, an odd number; no other block has one.
        strips: Taps of the long-range integration in each stage's last block, odd numbers from 3
            up; None leaves the integration out.

    Raises:
        ValueError: For a width, a number of modules, a kernel or strips that cannot be.
    """

    def __init__(
        self,
        width: int = 40,
        modules: int = 4,
        *,
        block: Block = "star",
        depthwise: int = 9,
        strips: Strips | None = PUBLISHED_STRIPS,
    ) -> None:
        super().__init__()
        if width < 2 or width % 2 or modules < 1:
            raise ValueError(
                f"CCNet takes an even width from 2 up and modules from 1 up, not {width} and "
                f"{modules}."
            )
        if block not in get_args(Block):
            raise ValueError(
                f"CCNet is made of {' or '.join(get_args(Block))} blocks, not {block}."
            )
        if any(taps < 3 or taps % 2 == 0 for taps in (depthwise, *(strips or ()))):
            raise ValueError(
                f"CCNet takes odd kernels and strips from 3 up, not {depthwise} and {strips}."
            )
        full, half, quarter = width, 2 * width, 4 * width
        self.width = width
        self.modules_per_stage = modules
        self.block = block
        self.depthwise = depthwise
        self.strips = strips
        self.smallest = MULTIPLE * (smallest_side(strips) if strips else 1)

        def stage(channels: int) -> Stage:
            return Stage(channels, modules, block, depthwise, strips)

        self.shallow_half = ShallowInput(half)
        self.shallow_quarter = ShallowInput(quarter)
        self.enter = nn.Conv2d(3, full, 3, padding=1)
        self.encoder_full = stage(full)
        self.down_half = nn.Conv2d(full, half, 3, stride=2, padding=1)
        self.merge_half = nn.Conv2d(2 * half, half, 3, padding=1)
        self.encoder_half = stage(half)
        self.down_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.merge_quarter = nn.Conv2d(2 * quarter, quarter, 3, padding=1)
        self.encoder_quarter = stage(quarter)

        self.decoder_quarter = stage(quarter)
        self.head_quarter = nn.Conv2d(quarter, 3, 3, padding=1)
        self.up_half = nn.ConvTranspose2d(quarter, half, 4, stride=2, padding=1)
        self.join_half = nn.Conv2d(2 * half, half, 1)
        self.decoder_half = stage(half)
        self.head_half = nn.Conv2d(half, 3, 3, padding=1)
        self.up_full = nn.ConvTranspose2d(half, full, 4, stride=2, padding=1)
        self.join_full = nn.Conv2d(2 * full, full, 1)
        self.decoder_full = stage(full)
        self.head_full = nn.Conv2d(full, 3, 3, padding=1)

    def hyper_parameters(self) -> dict[str, Any]:
        """The arguments that make a network of the same shape."""
        return {
            "width": self.width,
            "modules": self.modules_per_stage,
            "block": self.block,
            "depthwise": self.depthwise,
            "strips": self.strips,
        }

    def forward(self, batch: Tensor, average: Average = picture_average) -> Tensor:
        """Restore `batch` (N, 3, H, W); `average` says where whole-picture averages come from."""
        height, width = batch.shape[2:]
        padded = pad_to_fit(batch, self.smallest)
        full = self._decode(padded, average)[2]
        restored: Tensor = self.head_full(full) + padded
        return restored[:, :, :height, :width]

    def forward_pyramid(
        self, batch: Tensor, average: Average = picture_average
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Restore `batch` (N, 3, H, W) at a quarter, a half and the full of its size.

        H and W must be multiples of 4, else ValueError.
        """
        height, width = batch.shape[2:]
        if height % MULTIPLE or width % MULTIPLE:
            raise ValueError(
                f"A pyramid needs sides that are multiples of 4, not {height}x{width}."
            )
        padded = pad_to_fit(batch, self.smallest)
        quarter, half, full = self._decode(padded, average)
        return (
            (self.head_quarter(quarter) + padded[:, :, ::4, ::4])[
                :, :, : height // 4, : width // 4
            ],
            (self.head_half(half) + padded[:, :, ::2, ::2])[:, :, : height // 2, : width // 2],
            (self.head_full(full) + padded)[:, :, :height, :width],
        )

    def _decode(self, batch: Tensor, average: Average) -> tuple[Tensor, Tensor, Tensor]:
        """Give the decoder's features at a quarter, a half and the full of the size."""
        shallow_half = self.shallow_half(batch[:, :, ::2, ::2], average)
        shallow_quarter = self.shallow_quarter(batch[:, :, ::4, ::4], average)

        full = self.encoder_full(F.gelu(self.enter(batch)), average)
        half = F.gelu(self.down_half(full))
        half = self.merge_half(torch.cat((half, shallow_half), dim=1))
        half = self.encoder_half(half, average)
        quarter = F.gelu(self.down_quarter(half))
        quarter = self.merge_quarter(torch.cat((quarter, shallow_quarter), dim=1))
        quarter = self.encoder_quarter(quarter, average)

        quarter = self.decoder_quarter(quarter, average)
        half = torch.cat((F.gelu(self.up_half(quarter)), half), dim=1)
        half = self.decoder_half(F.gelu(self.join_half(half)), average)
        full = torch.cat((F.gelu(self.up_full(half)), full), dim=1)
        full = self.decoder_full(F.gelu(self.join_full(full)), average)
        return quarter, half, full


def keep_shallow_exact(network: CCNet, device_type: str) -> None:
    """Keep autocast on `device_type` away from the shallow inputs of `network`, which is changed.

    Their norm divides small differences by small deviations, of which bfloat16 leaves little where
    a picture has low contrast.
    """
    for shallow in (network.shallow_half, network.shallow_quarter):
        shallow.forward = partial(_exactly, shallow.forward, device_type)  # type: ignore[method-assign]


def _exactly(
    forward: Callable[[Tensor, Average], Tensor],
    device_type: str,
    picture: Tensor,
    average: Average = picture_average,
) -> Tensor:
    # A context for each call, for threads that shared one would leave each other's state behind.
    with torch.autocast(device_type, enabled=False):
        return forward(picture, average)
