"""What the recogniser sees of pictures of any size and kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from ccnet.images import Picture
from ccnet.recognition.views import (
    DETAIL,
    OVERVIEW,
    picture_of,
    resize,
    spread_windows,
    views_of,
    views_of_picture,
)


@settings(max_examples=40)
@given(height=st.integers(1, 1500), width=st.integers(1, 1500), value=st.integers(0, 255))
def test_any_size_of_one_colour_stays_that_colour(height: int, width: int, value: int) -> None:
    picture = np.full((height, width, 3), value, np.uint8)
    views = views_of_picture(Picture(picture))
    assert views.overview.shape == (3, OVERVIEW, OVERVIEW)
    assert views.details.shape == (8, 3, DETAIL, DETAIL)
    for view in views:
        np.testing.assert_allclose(view, value / 255, atol=1e-5)


def test_the_overview_is_the_reduced_picture_and_details_are_its_own_pixels() -> None:
    picture = data.astronaut()
    views = views_of_picture(Picture(picture))
    reduced = Image.fromarray(picture).resize((OVERVIEW, OVERVIEW), Image.Resampling.BILINEAR)
    overview = views.overview.transpose(1, 2, 0) * 255
    np.testing.assert_allclose(overview, np.asarray(reduced), atol=1.01)
    first = np.rint(views.details[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (DETAIL, DETAIL), (0, 1))
    assert any(np.array_equal(first, window.transpose(1, 2, 0)) for window in windows[64, ::64])


@given(
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    side=st.integers(1, 200),
    seed=st.integers(0, 2**32),
)
def test_resizing_is_torchs_without_aliases(height: int, width: int, side: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    size = (side, side)
    wanted = F.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True)[0]
    np.testing.assert_allclose(resize(pixels, side), wanted, rtol=0, atol=5e-5)


def test_a_picture_of_8_bits_is_made_as_a_file_would_hold_it() -> None:
    pixels = np.array([[0, 0.4999, 1], [0.5, 0.25, 0.125]], np.float32).reshape(3, 1, 2)
    assert picture_of(pixels).pixels.tolist() == [[[0, 255, 64], [127, 128, 32]]]


def test_what_is_smaller_than_a_detail_is_mirrored_and_not_enlarged() -> None:
    picture = data.astronaut()[:50, :300]
    (detail, *_) = views_of_picture(Picture(picture)).details
    np.testing.assert_array_equal(detail[:, 50:100], detail[:, 49::-1])


@given(length=st.integers(1, 5000), side=st.integers(1, 600), count=st.integers(1, 5))
def test_windows_lie_within_and_reach_both_halves(length: int, side: int, count: int) -> None:
    windows = spread_windows(length, side, count)
    assert len(windows) == count
    assert all(0 <= w.start < w.stop <= length for w in windows)
    assert {w.stop - w.start for w in windows} == {min(side, length)}
    assert [w.start for w in windows] == sorted(w.start for w in windows)


@pytest.mark.parametrize("size", [(10_000, 12_000), (200, 600_000), (1, 10**7), (10**5, 10**5)])
def test_the_work_is_bounded(size: tuple[int, int]) -> None:
    looked_at = 0

    def cut(rows: slice, columns: slice) -> NDArray[np.float32]:
        nonlocal looked_at
        height, width = (
            len(range(*s.indices(n))) for s, n in zip((rows, columns), size, strict=True)
        )
        looked_at += height * width
        return np.broadcast_to(np.float32(0.5), (height, width, 3))

    views_of(cut, *size)
    assert looked_at <= 9 * 1024**2


@pytest.mark.parametrize("kind", ["gray", "16 bits", "alpha", "cmyk"])
def test_the_same_picture_looks_the_same_in_any_kind(kind: str) -> None:
    pixels: NDArray[Any] = np.repeat(data.camera()[:, :, None], 3, 2)
    expected = views_of_picture(Picture(pixels))
    other = {
        "gray": Picture(pixels[:, :, :1].copy(), space="gray"),
        "16 bits": Picture(pixels.astype(np.uint16) * 257, bits=16),
        "alpha": Picture(pixels, np.zeros(pixels.shape[:2], np.uint8)),
        "cmyk": Picture(np.dstack((0 * pixels, 255 - pixels[:, :, :1])), space="cmyk"),
    }[kind]
    tolerance = 0.2 if kind == "cmyk" else 1e-6  # black ink alone is no full black
    for one, two in zip(expected, views_of_picture(other), strict=True):
        np.testing.assert_allclose(one, two, atol=tolerance)
