"""PSNR and SSIM of one picture against its target, as pure functions.

Pictures are float32 (C, H, W) in [0, 1], both of the same shape and on the CPU: convolutions of
some GPUs keep too few digits. Results are means over all channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

GAUSSIAN_WINDOW = 11
SIGMA = 1.5
UNIFORM_WINDOW = 7
_C1, _C2 = 0.01**2, 0.03**2  # of Wang et al., for a data range of 1


def psnr(picture: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, for a peak of 1; infinite where the two are equal."""
    return float(peak_signal_noise_ratio(picture, target, data_range=1.0))


def gaussian_ssim(picture: Tensor, target: Tensor) -> float | None:
    """SSIM as it was first defined, or None where a side is under 11 pixels.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (TIP
    2004): an 11x11 Gaussian window, sigma 1.5, over all places where it lies inside the picture.
    scikit-image gives the same with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.
    """
    offsets = torch.arange(GAUSSIAN_WINDOW) - GAUSSIAN_WINDOW // 2
    weights = torch.exp(-offsets.double().square() / (2 * SIGMA**2))
    return _ssim(picture, target, (weights / weights.sum()).tolist(), unbiased=1.0)


def uniform_ssim(picture: Tensor, target: Tensor) -> float | None:
    """SSIM as scikit-image computes it by default, or None where a side is under 7 pixels.

    A uniform 7x7 window, and the sample covariance: N / (N - 1) times the plain one.
    """
    weights = [1 / UNIFORM_WINDOW] * UNIFORM_WINDOW
    samples = UNIFORM_WINDOW**2
    return _ssim(picture, target, weights, unbiased=samples / (samples - 1))


def _ssim(
    picture: Tensor, target: Tensor, weights: Sequence[float], unbiased: float
) -> float | None:
    """Average Wang et al.'s equation 13 over all windows that lie inside, or give None.

    `weights` are the window's, across and down. In double precision, since variances of flat parts
    are differences of large numbers; in float32 torchmetrics' SSIM is 1e-4 off where much is flat.
    By channel, since it takes much memory.
    """
    if min(picture.shape[1:]) < len(weights):
        return None
    similarities = []
    for first, second in zip(picture, target, strict=True):
        first, second = first.double(), second.double()
        mean_first, mean_second = _local_mean(first, weights), _local_mean(second, weights)
        squares, product = mean_first.square() + mean_second.square(), mean_first * mean_second
        energy = _local_mean(first.square() + second.square(), weights)
        variances = unbiased * (energy - squares)
        covariance = unbiased * (_local_mean(first * second, weights) - product)
        luminance = (2 * product + _C1) / (squares + _C1)
        structure = (2 * covariance + _C2) / (variances + _C2)
        similarities.append((luminance * structure).mean())
    return float(torch.stack(similarities).mean())


def _local_mean(values: Tensor, weights: Sequence[float]) -> Tensor:
    """Average (H, W) over windows that lie inside: as many fewer rows and columns come out."""
    for axis in (0, 1):
        places = values.shape[axis] - len(weights) + 1
        averaged = torch.zeros_like(values.narrow(axis, 0, places))
        for offset, weight in enumerate(weights):
            averaged.add_(values.narrow(axis, offset, places), alpha=weight)
        values = averaged
    return values


def luma(picture: Tensor) -> Tensor:
    """Give BT.601's luma (1, H, W) of RGB (3, H, W), from 16/255 to 235/255.

    As MATLAB's rgb2ycbcr does, whose source is Poynton, "A Technical Introduction to Digital
    Video" (1996), equation 9.6; not rounded.
    """
    red, green, blue = picture
    levels: Tensor = 65.481 * red + 128.553 * green + 24.966 * blue + 16
    return levels[None] / 255


def quantise(picture: Tensor) -> Tensor:
    """Round to the 256 levels of an 8-bit file."""
    return (picture * 255).round() / 255


def reduce_to_256(picture: Tensor) -> Tensor:
    """Average-pool to a short side of about 256 pixels, as the published dehazing code does.

    The factor is the nearest whole number from 1 up, and it and the new size are taken of sides
    rounded up beyond the next multiple of 4: 480 counts as 484, also where nothing is padded.
    """
    height, width = ((side + 4) // 4 * 4 for side in picture.shape[1:])
    factor = max(1, round(min(height, width) / 256))
    return F.adaptive_avg_pool2d(picture, (height // factor, width // factor))
