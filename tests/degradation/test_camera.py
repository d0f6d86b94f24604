"""JPEG and noise made in torch against real JPEG files and the noise asked for."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from ccnet.degradation.camera import add_noise, compress_jpeg


@pytest.mark.parametrize("quality", [20, 50, 75, 92])
def test_jpeg_is_close_to_a_real_file_of_that_quality(quality: int) -> None:
    pixels = data.astronaut()[:200, :250]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=quality, subsampling="4:2:0")
    real = np.asarray(Image.open(buffer))
    batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    ours = compress_jpeg(batch, torch.full((1, 1, 1, 1), float(quality)))
    ours = (ours[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    loss = peak_signal_noise_ratio(pixels, real)
    assert peak_signal_noise_ratio(pixels, ours) == pytest.approx(loss, abs=0.5)
    assert peak_signal_noise_ratio(real, ours) > loss + 3


def test_each_picture_has_its_own_quality() -> None:
    batch = torch.from_numpy(data.astronaut()[:64, :64].copy()).permute(2, 0, 1)[None].float() / 255
    together = compress_jpeg(
        batch.expand(2, -1, -1, -1), torch.tensor([30.0, 90.0])[:, None, None, None]
    )
    alone = compress_jpeg(batch, torch.full((1, 1, 1, 1), 90.0))
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=0)
    assert (together[0] - batch[0]).square().mean() > 2 * (together[1] - batch[0]).square().mean()


def test_noise_has_the_variance_asked_for() -> None:
    level = torch.full((1, 3, 400, 400), 0.5)
    shot, read = torch.full((1, 1, 1, 1), 4e-4), torch.full((1, 1, 1, 1), 0.01)
    noise = add_noise(level, shot, read, torch.Generator().manual_seed(0)) - level
    assert noise.var().item() == pytest.approx(4e-4 * 0.5 + 0.01**2, rel=0.02)
    assert abs(noise.mean().item()) < 1e-4
