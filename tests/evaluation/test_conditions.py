"""What the quality report measures on: photographs with a frame, and what is put into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from torch import Tensor

from ccnet.degradation.blur import MARGIN, cut_margin
from ccnet.errors import PictureError
from ccnet.evaluation.conditions import KINDS, LEAST, degraded, read_framed


def framed(height: int = 120, width: int = 150) -> Tensor:
    pixels = data.astronaut()[:height, :width]
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255


@given(st.integers(50, 700), st.integers(50, 700), st.integers(64, 400))
@settings(max_examples=25)
def test_the_long_side_is_right_without_the_frame(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("photographs") / "a.png"
    Image.new("RGB", (width, height), (10, 20, 30)).save(path)
    short = min(height, width) * min(1, (size + 2 * MARGIN) / max(height, width)) - 2 * MARGIN
    if short < LEAST - 0.5:
        with pytest.raises(PictureError, match=r"a\.png is .* are needed"):
            read_framed(path, size)
    elif short > LEAST + 0.5:
        clean = cut_margin(read_framed(path, size))
        assert max(clean.shape[1:]) == min(size, max(height, width) - 2 * MARGIN)
        assert min(clean.shape[1:]) == pytest.approx(short, abs=0.5)
        assert clean[:, 0, 0].tolist() == pytest.approx([10 / 255, 20 / 255, 30 / 255])


def test_a_broken_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"a\.jpg cannot be decoded"):
        read_framed(tmp_path / "a.jpg", 384)


@pytest.mark.parametrize("kind", KINDS)
def test_a_degradation_hangs_on_name_kind_and_strength_alone(kind: str) -> None:
    first = degraded(framed(), "a.jpg", kind, 0.5)
    torch.rand(7)
    degraded(framed(), "b.jpg", "haze", 0.1)
    assert torch.equal(first, degraded(framed(), "a.jpg", kind, 0.5))
    assert not torch.equal(first, degraded(framed(), "b.jpg", kind, 0.5))
    assert not torch.equal(first, degraded(framed(), "a.jpg", kind, 0.6))
    assert first.shape == (3, 120 - 2 * MARGIN, 150 - 2 * MARGIN)
    assert torch.equal(first, (first * 255).round() / 255)


def test_a_name_that_is_no_text_can_be_degraded() -> None:
    assert degraded(framed(), "\udcff.jpg", "haze", 0.5).isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_strength_is_farther_from_the_clean_picture(kind: str) -> None:
    errors = [
        sum(
            float((degraded(framed(), name, kind, strength) - cut_margin(framed())).abs().mean())
            for name in "abcdefghijklmnopqrstuvwxyz"
        )
        for strength in KINDS[kind].strengths
    ]
    assert errors[0] < errors[1] < errors[2]


def test_blur_brings_in_what_lies_beyond_the_border() -> None:
    lit = torch.zeros(3, 200, 200)
    lit[:, : MARGIN - 1] = 1
    lit[:, :, : MARGIN - 1] = 1
    assert cut_margin(lit).max() == 0
    blurry = [degraded(lit, name, "blur", 0.6) for name in "abcd"]
    assert max(float(one[:, :2].max()) for one in blurry) > 0.1
