"""Colours to sRGB and back, held against lcms by way of Pillow and against the formulas."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from PIL import Image, ImageCms

from ccnet.images import Picture, read_picture, to_srgb, with_srgb_change
from ccnet.images.colour import as_srgb, usable_profile

from .made import Array, by_pillow, converted, icc_file, profile, scene

LEVEL = 1 / 255
BANDS = {"gray": 1, "rgb": 3, "cmyk": 4}
TAGS = {"gray": ["gray"], "rgb": ["srgb", "adobe", "prophoto", "p3"], "cmyk": ["cmyk"]}
CASES = [(space, tag) for space, tags in TAGS.items() for tag in [None, *tags]]


def noise(bands: int, dtype: Any = np.uint8, size: tuple[int, int] = (60, 70)) -> Array:
    largest = np.iinfo(dtype).max
    return np.random.default_rng(bands).integers(0, largest + 1, (*size, bands), dtype)


def picture_of(space: Any, tag: str | None, dtype: Any = np.uint8) -> Picture:
    icc = profile(tag) if tag else None
    return Picture(noise(BANDS[space], dtype), space=space, icc_profile=icc)


def by_lcms(pixels: Array, source: str, target: str, start: bytes, end: bytes) -> Array:
    """Convert 8-bit pixels between Pillow's modes, relative colorimetric, black points matched."""
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(start)),
        ImageCms.ImageCmsProfile(io.BytesIO(end)),
        source,
        target,
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    size = pixels.shape[1], pixels.shape[0]
    image = Image.frombytes(source, size, pixels.tobytes())
    moved = ImageCms.applyTransform(image, transform)
    assert moved is not None
    return np.asarray(moved)


@pytest.mark.parametrize(("space", "tag"), CASES)
def test_8_bits_are_as_lcms_converts_them(space: str, tag: str | None) -> None:
    picture = picture_of(space, tag)
    mode = {"gray": "L", "rgb": "RGB", "cmyk": "CMYK"}[space]
    if tag is None and space != "cmyk":
        expected = np.broadcast_to(picture.pixels, (60, 70, 3))
    else:
        start = profile(tag or "cmyk")
        expected = by_lcms(picture.pixels, mode, "RGB", start, profile("srgb"))
    srgb = to_srgb(picture)
    assert srgb.dtype == np.float32
    assert srgb.shape == (60, 70, 3)
    assert srgb.flags.c_contiguous
    assert srgb.min() >= 0
    assert srgb.max() <= 1
    assert np.abs(srgb * 255 - expected).max() <= 1


@pytest.mark.parametrize("tag", ["adobe", "prophoto", "p3"])
def test_16_bits_are_as_the_formulas_say(tag: str) -> None:
    picture = picture_of("rgb", tag, np.uint16)
    expected = converted(tag, "srgb", picture.pixels / 65_535)
    error = np.abs(to_srgb(picture) - expected)
    assert error.mean() < 0.02 * LEVEL
    assert error.max() < 1 * LEVEL


@settings(max_examples=30)
@given(
    case=st.sampled_from(CASES),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_no_change_changes_no_bit(case: Any, dtype: Any, height: int, width: int) -> None:
    space, tag = case
    pixels = noise(BANDS[space], dtype, (height, width))
    alpha = noise(1, dtype, (height, width))[:, :, 0]
    picture = Picture(pixels, alpha, space, icc_profile=profile(tag) if tag else None)
    before = to_srgb(picture)
    after = with_srgb_change(picture, before, before.copy())
    assert np.array_equal(after.pixels, pixels)
    assert after.pixels.dtype == dtype
    assert after.alpha is alpha
    assert replace(after, pixels=picture.pixels).__dict__ == picture.__dict__


@pytest.mark.parametrize(("space", "tag"), CASES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_change_is_seen_again(space: str, tag: str | None, dtype: Any) -> None:
    """What a changed picture looks like in sRGB is what it was changed to."""
    white = np.full((60, 70, BANDS[space]), 0 if space == "cmyk" else np.iinfo(dtype).max, dtype)
    paper = replace(picture_of(space, tag, dtype), pixels=white)
    # Muted gray colours, which every space holds and can brighten.
    srgb = np.repeat(0.3 + 0.3 * scene(60, 70, 1) / 255, 3, axis=2).astype(np.float32)
    start = with_srgb_change(paper, to_srgb(paper), srgb)
    before = to_srgb(start)
    after = np.clip(before + 0.1, 0, 1)
    seen = to_srgb(with_srgb_change(start, before, after))
    limit = {"gray": 1.5, "rgb": 1.5, "cmyk": 8}[space]
    assert np.abs(seen - after).mean() < 0.5 * limit * LEVEL
    assert np.abs(seen - after).max() < limit * LEVEL


@pytest.mark.parametrize("tag", ["adobe", "prophoto", "p3"])
def test_goes_to_wide_spaces_as_the_formulas_say(tag: str) -> None:
    picture = replace(picture_of("rgb", tag, np.uint16))
    inside = noise(3, np.uint16) / np.float32(65_535)
    black = with_srgb_change(replace(picture, pixels=picture.pixels * 0), inside * 0, inside)
    expected = converted("srgb", tag, inside)
    error = np.abs(black.pixels / 65_535 - expected)
    assert error.mean() < 0.02 * LEVEL
    assert error[expected > 10 * LEVEL].max() < 0.5 * LEVEL


def test_colours_outside_srgb_stay_outside() -> None:
    pixels = np.array([[[0, 255, 0], [255, 0, 0], [255, 255, 0]]], np.uint8)
    picture = Picture(pixels, icc_profile=profile("prophoto"))
    before = to_srgb(picture)
    after = with_srgb_change(picture, before, before * 0.9)
    clipped = converted("srgb", "prophoto", before * 0.9)
    assert (after.pixels[0, [0, 1], [1, 0]] / 255 > clipped[0, [0, 1], [1, 0]] + 0.02).all()
    assert after.pixels[0, 0, 0] == after.pixels[0, 0, 2] == 0


def test_an_embedded_srgb_is_not_converted() -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for tag in (icc, profile("srgb")):
        picture = Picture(noise(3, np.uint16), icc_profile=tag)
        assert np.array_equal(to_srgb(picture), picture.pixels / np.float32(65_535))


def test_16_bit_gradients_stay_fine() -> None:
    ramp = np.linspace(20_000, 21_000, 1000).astype(np.uint16)
    pixels = np.broadcast_to(ramp[None, :, None], (3, 1000, 3)).copy()
    for tag in (None, "adobe", "prophoto"):
        picture = Picture(pixels, icc_profile=profile(tag) if tag else None)
        before = to_srgb(picture)
        after = with_srgb_change(picture, before, before * 0.98 + 0.01).pixels[0, :, 1].astype(int)
        steps = np.diff(after)
        assert steps.min() >= -2
        assert steps.max() <= 4
        assert len(np.unique(after)) > 500


def test_gray_takes_the_luma_of_a_change() -> None:
    picture = Picture(np.full((4, 4, 1), 100, np.uint8), space="gray")
    before = to_srgb(picture)
    for band, weight in enumerate((0.2126, 0.7152, 0.0722)):
        after = before.copy()
        after[..., band] += 100 * LEVEL
        assert (with_srgb_change(picture, before, after).pixels == round(100 + 100 * weight)).all()


@pytest.mark.parametrize(("space", "tag"), CASES)
def test_what_goes_beyond_is_clipped(space: str, tag: str | None) -> None:
    picture = picture_of(space, tag)
    before = to_srgb(picture)
    for value in (-3, 4):
        beyond = with_srgb_change(picture, before, np.full_like(before, value))
        within = with_srgb_change(picture, before, np.full_like(before, np.clip(value, 0, 1)))
        if space == "rgb" or tag:
            assert np.array_equal(beyond.pixels, within.pixels)
        assert beyond.pixels.dtype == np.uint8


def test_float64_and_strided_changes_are_taken() -> None:
    for tag in (None, "p3", "cmyk"):
        picture = picture_of("cmyk" if tag == "cmyk" else "rgb", tag)
        before = to_srgb(picture)
        after = np.asfortranarray(1 - before.astype(np.float64))
        expected = with_srgb_change(picture, before, 1 - before).pixels
        ours = with_srgb_change(picture, before, after).pixels
        assert_allclose(ours, expected, atol=1)


def test_shapes_must_fit() -> None:
    picture = picture_of("rgb", None)
    before = to_srgb(picture)
    with pytest.raises(ValueError, match=r"\(60, 70, 3\)"):
        with_srgb_change(picture, before, before[1:])


def test_a_profile_that_only_leads_to_srgb_is_kept_but_not_used() -> None:
    """A scanner's profile has a table to Lab, and none back."""
    levels = np.linspace(0, 65_280, 2).astype(">u2").tobytes()
    grid = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(8, 3)
    lab = np.stack([grid.mean(1) * 65_280, np.full(8, 32_768), np.full(8, 32_768)], 1)
    table = b"mft2\0\0\0\0" + bytes([3, 3, 2, 0])
    table += np.eye(3).astype(">i4").tobytes().replace(b"\0\0\0\1", b"\0\1\0\0")
    table += b"\0\2\0\2" + levels * 3 + lab.astype(">u2").tobytes() + levels * 3
    scanner = bytearray(icc_file(b"RGB ", {b"A2B0": table}))
    scanner[12:16], scanner[20:24] = b"scnr", b"Lab "
    picture = read_picture(by_pillow(noise(3), "PNG", icc_profile=bytes(scanner)))
    assert picture.icc_profile == bytes(scanner)
    assert np.array_equal(to_srgb(picture), noise(3) / np.float32(255))


def test_ink_whose_profile_only_leads_to_srgb_changes_by_the_built_in_one() -> None:
    built_in = profile("cmyk")
    one_way = built_in[:600].replace(b"B2A", b"old") + built_in[600:]
    ink = Image.fromarray(noise(4), "CMYK")
    picture = read_picture(by_pillow(ink, "TIFF", icc_profile=one_way))
    assert picture.icc_profile == one_way
    before = to_srgb(picture)
    expected = by_lcms(picture.pixels, "CMYK", "RGB", one_way, profile("srgb"))
    assert np.abs(before * 255 - expected).max() <= 1
    assert np.array_equal(with_srgb_change(picture, before, before).pixels, picture.pixels)
    changed, by_built_in = (
        with_srgb_change(replace(picture, icc_profile=each), before, 1 - before).pixels
        for each in (one_way, built_in)
    )
    assert np.array_equal(changed, by_built_in)


def test_profiles_are_checked_against_their_space() -> None:
    for space, tags in TAGS.items():
        for tag in ["gray", "srgb", "p3", "cmyk"]:
            fits = usable_profile(profile(tag), space) is not None
            assert fits == (tag in tags)
    padded = profile("p3") + bytes(7)
    assert usable_profile(padded, "rgb") == profile("p3")
    assert usable_profile(profile("p3")[:-40], "rgb") is None


@pytest.mark.parametrize(("space", "tag"), CASES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_as_srgb_keeps_looks_and_depth(space: str, tag: str | None, dtype: Any) -> None:
    picture = picture_of(space, tag, dtype)
    srgb = as_srgb(picture)
    assert (srgb.space, srgb.icc_profile, srgb.pixels.dtype) == ("rgb", None, dtype)
    assert_allclose(to_srgb(srgb), to_srgb(picture), atol=0.51 / np.iinfo(dtype).max)
