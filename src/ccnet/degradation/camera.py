"""What a camera does after the light has passed the weather: sensor noise and JPEG."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.degradation.randomness import happens, uniform

# ITU-T T.81 (JPEG), Annex K, tables K.1 and K.2: luminance and chrominance.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# ITU-T T.871 (JFIF): RGB to YCbCr, without the offset of the chroma, and back.
_TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
_TO_RGB = (
    (1.0, 0.0, 1.402),
    (1.0, -0.344136, -0.714136),
    (1.0, 1.772, 0.0),
)


def add_noise(pictures: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise of variance shot * value + read**2 at each pixel and channel.

    `pictures` (N, 3, H, W) in [0, 1]; `shot` and `read` (N, 1, 1, 1), in units of the full range.
    """
    noise = torch.randn(
        pictures.shape, generator=generator, device=pictures.device, dtype=pictures.dtype
    )
    return pictures + noise * (shot * pictures.clamp(min=0) + read.square()).sqrt()


def compress_jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """Lose what a baseline JPEG at `quality` loses, with chroma at half size.

    `pictures` (N, 3, H, W) in [0, 1] to the same; `quality` (N, 1, 1, 1) from 1 to 100, with
    libjpeg's scaling of the quantisation tables. All on the pictures' device.
    """
    height, width = pictures.shape[2:]
    padded = F.pad(pictures, (0, -width % 16, 0, -height % 16), mode="replicate")
    matrix = padded.new_tensor(_TO_YCBCR)
    ycbcr = torch.einsum("ij,njhw->nihw", matrix, padded * 255) - padded.new_tensor(
        (128, 0, 0)
    ).view(3, 1, 1)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    luminance = _quantise_blocks(ycbcr[:, :1], padded.new_tensor(_LUMINANCE), scale)
    chroma = F.avg_pool2d(ycbcr[:, 1:], 2)
    chroma = _quantise_blocks(chroma, padded.new_tensor(_CHROMINANCE), scale)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    ycbcr = torch.cat((luminance + 128, chroma), 1)
    decoded = torch.einsum("ij,njhw->nihw", padded.new_tensor(_TO_RGB), ycbcr) / 255
    return decoded[:, :, :height, :width].clamp(0, 1)


def random_jpeg(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """JPEG at a quality from 40 to 96 on 30% of `pictures` (N, 3, H, W) in [0, 1], to the same."""
    quality = uniform(40, 96, (len(pictures), 1, 1, 1), pictures, generator)
    compressed = happens(0.3, pictures, generator)
    return torch.lerp(pictures, compress_jpeg(pictures, quality), compressed)


def random_camera(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Noise on 20% and JPEG on 30% of `pictures` (N, 3, H, W) in [0, 1], to the same."""
    one = (len(pictures), 1, 1, 1)
    noisy = happens(0.2, pictures, generator)
    shot = noisy * 10 ** uniform(-4.5, -3, one, pictures, generator)
    read = noisy * uniform(0.001, 0.02, one, pictures, generator)
    pictures = add_noise(pictures, shot, read, generator).clamp(0, 1)
    return random_jpeg(pictures, generator)


def _quantise_blocks(planes: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """Round the cosine coefficients of each 8x8 block to multiples of the scaled `table`."""
    count, channels, height, width = planes.shape
    index = torch.arange(8, device=planes.device, dtype=planes.dtype)
    cosine = torch.cos((2 * index + 1) * index[:, None] * torch.pi / 16) / 2
    cosine[0] /= 2**0.5
    steps = (table * scale[..., None, None]).round().clamp(1, 255)
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = cosine @ blocks @ cosine.T
    coefficients = (coefficients / steps).round() * steps
    blocks = cosine.T @ coefficients @ cosine
    return blocks.transpose(3, 4).reshape(planes.shape)
