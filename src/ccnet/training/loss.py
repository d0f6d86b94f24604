"""The training loss of CCNet: mean absolute error over three scales, of pixels and of spectra.

Source: Hao et al., arXiv 2412.11008; held against the published code in
`tests/training/test_loss.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

FREQUENCY_WEIGHT = 0.1


def target_pyramid(target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Reduce `target` (N, 3, H, W) bilinearly to a quarter and a half: (quarter, half, full)."""
    quarter = F.interpolate(target, scale_factor=0.25, mode="bilinear", align_corners=False)
    half = F.interpolate(target, scale_factor=0.5, mode="bilinear", align_corners=False)
    return quarter, half, target


def content_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Sum over the scales of the mean absolute error."""
    return torch.stack([F.l1_loss(o, t) for o, t in zip(outputs, targets, strict=True)]).sum()


def frequency_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Sum over the scales of the mean absolute error of the spectra's real and imaginary parts.

    The two-dimensional Fourier transform is not normalised. It is linear, so one transform of the
    difference serves for both.
    """
    spectra = (torch.fft.fft2(o - t) for o, t in zip(outputs, targets, strict=True))
    return torch.stack([torch.view_as_real(spectrum).abs().mean() for spectrum in spectra]).sum()


class Loss(NamedTuple):
    """The training loss, `total`, and the two it is made of: scalars."""

    total: Tensor
    content: Tensor
    frequency: Tensor


def restoration_loss(outputs: Sequence[Tensor], target: Tensor) -> Loss:
    """The loss of (quarter, half, full) outputs against `target` (N, 3, H, W).

    Computed in float32 whatever the outputs are and also under autocast: a spectrum's largest
    number is H·W times the mean, where half precision has lost all detail.
    """
    targets = target_pyramid(target.float())
    outputs = [output.float() for output in outputs]
    content = content_loss(outputs, targets)
    frequency = frequency_loss(outputs, targets)
    return Loss(content + FREQUENCY_WEIGHT * frequency, content, frequency)
