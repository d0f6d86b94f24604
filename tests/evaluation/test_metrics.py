"""Metrics against scikit-image and the golden numbers of the published evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import color
from skimage import data as samples
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ccnet.evaluation import metrics
from ccnet.evaluation.protocols import PROTOCOLS

Pixels = NDArray[np.float32]
GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "schedule_and_metrics.json").read_text())


def tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def pair(height: int, width: int) -> tuple[Pixels, Pixels]:
    """A prediction and its target, made as those behind the golden numbers were."""
    base = np.tile((samples.astronaut() / 255).astype(np.float32), (2, 3, 1))
    target = base[:height, :width]
    noise = np.random.default_rng(height).normal(0, 0.02, target.shape).astype(np.float32)
    return np.clip(target * 0.9 + 0.05 + noise, 0, 1), target


@pytest.mark.parametrize("golden", GOLDEN["metrics"], ids=lambda case: str(case["height"]))
def test_published_gives_the_golden_numbers(golden: dict[str, float]) -> None:
    picture, target = map(tensor, pair(int(golden["height"]), int(golden["width"])))
    psnr, ssim = PROTOCOLS["published"].score(picture, target)
    assert psnr == pytest.approx(golden["psnr"], abs=1e-5)
    assert ssim == pytest.approx(golden["ssim_reside"], abs=1e-5)
    assert metrics.gaussian_ssim(picture, target) == pytest.approx(golden["ssim_full"], abs=1e-5)


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))


def drawn(size: tuple[int, int, int]) -> tuple[Pixels, Pixels]:
    """A prediction and its target, now and then with flat parts, where SSIM's constants count."""
    height, width, seed = size
    generator = np.random.default_rng(seed)
    target = generator.random((height, width, 3), np.float32)
    target[: generator.integers(0, height + 1)] = generator.random(3, np.float32)
    noise = generator.normal(0, 0.1, target.shape)
    return np.clip(target + noise, 0, 1).astype(np.float32), target


@given(sizes)
@settings(max_examples=60)
def test_rgb_is_scikit_images_default(size: tuple[int, int, int]) -> None:
    picture, target = drawn(size)
    psnr, ssim = PROTOCOLS["rgb"].score(tensor(picture), tensor(target))
    assert psnr == pytest.approx(peak_signal_noise_ratio(target, picture, data_range=1), abs=1e-4)
    if min(size[:2]) < 7:
        assert ssim is None
    else:
        expected = structural_similarity(
            target.astype(np.float64), picture.astype(np.float64), data_range=1, channel_axis=2
        )
        assert ssim == pytest.approx(expected, abs=1e-6)


@given(sizes)
@settings(max_examples=60)
def test_quantised_is_scikit_images_on_bytes(size: tuple[int, int, int]) -> None:
    picture, target = drawn(size)
    psnr, ssim = PROTOCOLS["quantised"].score(tensor(picture), tensor(target))
    saved, wanted = (np.rint(pixels * np.float32(255)).astype(np.uint8) for pixels in drawn(size))
    if np.array_equal(saved, wanted):
        assert psnr == math.inf
    else:
        assert psnr == pytest.approx(peak_signal_noise_ratio(wanted, saved), abs=1e-4)
    if min(size[:2]) >= 7:
        expected = structural_similarity(wanted, saved, channel_axis=2)
        assert ssim == pytest.approx(expected, abs=1e-6)


@given(sizes)
@settings(max_examples=60)
def test_y_is_scikit_images_on_its_own_luma(size: tuple[int, int, int]) -> None:
    picture, target = drawn(size)
    psnr, ssim = PROTOCOLS["y"].score(tensor(picture), tensor(target))
    first, second = (color.rgb2ycbcr(pixels.astype(np.float64))[..., 0] for pixels in drawn(size))
    expected = peak_signal_noise_ratio(second, first, data_range=255)
    assert psnr == pytest.approx(expected, abs=1e-3)
    if min(size[:2]) < 11:
        assert ssim is None
    else:
        expected = structural_similarity(
            second,
            first,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ssim == pytest.approx(expected, abs=1e-6)


@given(st.integers(1, 900), st.integers(1, 900))
def test_the_published_reduction_counts_sides_as_the_readme_of_the_golden_numbers_says(
    height: int, width: int
) -> None:
    reduced = metrics.reduce_to_256(torch.zeros(1, height, width))
    padded = [((side + 4) // 4) * 4 for side in (height, width)]
    ratio = max(1, round(min(padded) / 256))
    assert reduced.shape == (1, int(padded[0] / ratio), int(padded[1] / ratio))


def test_the_published_reduction_averages_blocks() -> None:
    picture = torch.rand(3, 508, 764, generator=torch.Generator().manual_seed(0))  # 512, 768: by 2
    blocks = metrics.reduce_to_256(picture)
    assert blocks.shape == (3, 256, 384)
    assert blocks[:, 0, 0].tolist() == pytest.approx(picture[:, :2, :2].mean((1, 2)).tolist())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_picture_that_is_its_target(name: str) -> None:
    picture = tensor(drawn((20, 30, 1))[0])
    psnr, ssim = PROTOCOLS[name].score(picture, picture.clone())
    assert psnr == math.inf
    assert ssim == pytest.approx(1, abs=1e-6)
