from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ccnet.datasets.pairs import Pair, read_pair, read_pixels
from ccnet.errors import PictureError


def noise(height: int, width: int, bands: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(
        0, 256, (height, width, bands), dtype=np.uint8
    )


def pair_of(folder: Path, degraded: NDArray[np.uint8], target: NDArray[np.uint8]) -> Pair:
    Image.fromarray(degraded).save(folder / "degraded.png")
    Image.fromarray(target).save(folder / "target.png")
    return Pair("a", folder / "degraded.png", folder / "target.png", "a")


@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_pairs_are_read_at_full_size(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    pixels = noise(height, width)
    degraded, target = read_pair(pair_of(folder, pixels, 255 - pixels))
    assert degraded.dtype == target.dtype == torch.uint8
    assert degraded.shape == target.shape == (3, height, width)
    assert torch.equal(degraded, torch.from_numpy(pixels).permute(2, 0, 1))
    assert torch.equal(target, 255 - degraded)


def test_other_sizes_are_refused_by_name(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, noise(10, 20), noise(12, 22))
    with pytest.raises(PictureError, match=r"degraded\.png is 20 by 10 .*target\.png 22 by 12"):
        read_pair(pair)


def test_a_frame_is_cut_off_where_there_is_one(tmp_path: Path) -> None:
    inner = noise(10, 20)
    framed = np.pad(inner, ((3, 3), (3, 3), (0, 0)), constant_values=255)
    pair = pair_of(tmp_path, inner, framed)
    degraded, target = read_pair(Pair("a", pair.degraded, pair.target, "a", frame=3))
    assert torch.equal(degraded, target)
    degraded, target = read_pair(Pair("a", pair.degraded, pair.degraded, "a", frame=3))
    assert torch.equal(degraded, target)
    with pytest.raises(PictureError, match="a pair needs the same size"):
        read_pair(Pair("a", pair.degraded, pair.target, "a", frame=2))


def test_16_bits_are_rounded_to_8(tmp_path: Path) -> None:
    levels = np.arange(0, 65_536, 64, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    expected = np.rint(levels / 257.0).astype(np.uint8)
    np.testing.assert_array_equal(
        read_pixels(tmp_path / "deep.png"), expected[:, :, None].repeat(3, 2)
    )


def test_transparent_pixels_are_on_white(tmp_path: Path) -> None:
    pixels = noise(16, 16, bands=4)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    alpha = pixels[:, :, 3:] / 255
    expected = pixels[:, :, :3] * alpha + 255 * (1 - alpha)
    assert np.abs(read_pixels(tmp_path / "clear.png") - expected).max() <= 0.51


def test_a_turned_picture_is_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(noise(10, 20)).save(tmp_path / "turned.png", exif=turned)
    np.testing.assert_array_equal(read_pixels(tmp_path / "turned.png"), np.rot90(noise(10, 20), -1))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_picture_cut_short_is_named(suffix: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    Image.fromarray(noise(64, 64)).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(PictureError, match=rf"cut\.{suffix} "):
        read_pair(Pair("a", whole, cut, "a"))


def test_listing_pairs_needs_no_torch() -> None:
    code = "import sys, ccnet.datasets.checking; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
