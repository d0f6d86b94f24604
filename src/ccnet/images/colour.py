"""Between a picture's own colours and sRGB, which is what networks see.

A restored picture is `original + (back(after) - back(before))`, where `back` takes sRGB to the
picture's own space. So a network that changes nothing changes no bit, colours outside sRGB stay
there, and ink stays ink. Untagged RGB and gray are taken as sRGB, and untagged CMYK as libvips's
own CMYK profile. The conversions are relative colorimetric with black point compensation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ccnet.images import libvips
from ccnet.images.matrix import matrix_profile, srgb_profile
from ccnet.images.picture import Picture

_PROFILE_SPACES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
_CONVERSION = {"intent": "relative", "black_point_compensation": True}
# Rec. 709's luma, which weighs colours as they are encoded: a change of colour as a change of gray.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def to_srgb(picture: Picture) -> NDArray[np.float32]:
    """Give a picture's colours in sRGB, without its alpha.

    Args:
        picture: A picture of any space and depth.

    Returns:
        (H, W, 3) in [0, 1]. Colours outside sRGB are clipped.
    """
    height, width, _ = picture.pixels.shape
    srgb = np.empty((height, width, 3), np.float32)
    if not _needs_conversion(picture):
        largest = np.float32(np.iinfo(picture.pixels.dtype).max)
        np.divide(picture.pixels, largest, out=srgb)
        return srgb
    for rows, strip in _converted(picture):
        srgb[rows] = strip
    return srgb


def with_srgb_change(picture: Picture, before: np.ndarray, after: np.ndarray) -> Picture:
    """Change a picture's colours in its own space and depth as its sRGB colours were changed.

    Where `after` equals `before`, no pixel changes.

    Args:
        picture: The picture that `before` was made of.
        before: `to_srgb(picture)`, (H, W, 3).
        after: Its restoration, float of the same shape; what exceeds [0, 1] is clipped.

    Returns:
        The picture with new pixels and all else kept.

    Raises:
        ValueError: The shapes do not fit.
    """
    height, width, _ = picture.pixels.shape
    if before.shape != (height, width, 3) or after.shape != (height, width, 3):
        raise ValueError(
            f"before {before.shape} and after {after.shape} must both be {(height, width, 3)}."
        )
    largest = np.float32(np.iinfo(picture.pixels.dtype).max)
    pixels = np.empty_like(picture.pixels)
    for rows, changed in _changed(picture, before, after, largest):
        pixels[rows] = np.clip(np.rint(changed, out=changed), 0, largest, out=changed)
    return replace(picture, pixels=pixels)


def as_srgb(picture: Picture) -> Picture:
    """Turn a picture into an sRGB one of the same depth without a profile."""
    largest = np.iinfo(picture.pixels.dtype).max
    srgb = to_srgb(picture)
    srgb *= largest
    pixels = np.rint(srgb, out=srgb).astype(picture.pixels.dtype)
    return replace(picture, pixels=pixels, space="rgb", icc_profile=None)


def usable_profile(profile: bytes | None, space: str) -> bytes | None:
    """Give a profile, cut to the length it declares, if it is whole and fits a space, else None."""
    profile = (profile or b"")[: int.from_bytes((profile or b"")[:4], "big")]
    return profile if _is_whole(profile, space) else None


def _needs_conversion(picture: Picture) -> bool:
    if picture.space == "cmyk":
        return True
    profile = picture.icc_profile
    if profile is None or _is_srgb(profile, picture.space):
        return False
    return _leads_back(profile)  # where a scanner's may not, colours are taken as sRGB


def _converted(picture: Picture) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Bring a picture's colours to sRGB, strip by strip."""
    profile = picture.icc_profile
    if profile and picture.space == "rgb" and (own := matrix_profile(profile)):
        steps = 65_535 // np.iinfo(picture.pixels.dtype).max
        for rows in libvips.rows_of(*picture.pixels.shape[:2]):
            values = picture.pixels[rows].astype(np.uint16) * np.uint16(steps)
            yield rows, own.to(srgb_profile(), values)
        return
    image = libvips.image_of(np.ascontiguousarray(picture.pixels), picture.space)
    for rows, strip in libvips.strips(_in_srgb(image, profile)):
        yield rows, strip / np.float32(65_535)


def _changed(
    picture: Picture, before: np.ndarray, after: np.ndarray, largest: np.float32
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Change a picture strip by strip; the values are neither rounded nor clipped yet."""
    if _needs_conversion(picture):
        profile = picture.icc_profile
        if profile is None or not _leads_back(profile):  # as only CMYK's does not here
            profile = libvips.builtin_profile("cmyk")
        befores, afters = _back(before, profile), _back(after, profile)
        for (rows, old), (_, new) in zip(befores, afters, strict=True):
            yield rows, picture.pixels[rows] + (new - old) * largest
        return
    for rows in libvips.rows_of(*picture.pixels.shape[:2]):
        if picture.space == "rgb":
            yield rows, np.multiply(after[rows], largest, dtype=np.float32)
        else:
            change = np.subtract(after[rows], before[rows], dtype=np.float32) @ _LUMA
            yield rows, picture.pixels[rows] + change[:, :, None] * largest


def _back(srgb: np.ndarray, profile: bytes) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Bring (H, W, 3) sRGB to a profile's space, strip by strip, in [0, 1]."""
    own = matrix_profile(profile) if profile[16:20] == b"RGB " else None
    if own:
        for rows in libvips.rows_of(*srgb.shape[:2]):
            values = np.clip(srgb[rows], 0, 1) * np.float32(65_535) + np.float32(0.5)
            yield rows, srgb_profile().to(own, values.astype(np.uint16))
        return
    image = libvips.image_of(np.ascontiguousarray(srgb, np.float32), "rgb")
    image = (image * 65_535).rint().cast("ushort").copy(interpretation="rgb16")
    image = image.icc_import(input_profile="srgb", pcs="lab", **_CONVERSION)
    image = libvips.with_blobs(image, {"icc-profile-data": profile})
    for rows, strip in libvips.strips(image.icc_export(pcs="lab", depth=16, **_CONVERSION)):
        yield rows, strip / np.float32(65_535)


def _in_srgb(image: libvips.Image, profile: bytes | None) -> libvips.Image:
    """Convert by a profile, or libvips's for CMYK, to 16-bit sRGB."""
    image = libvips.with_blobs(image, {"icc-profile-data": profile})
    source = {"embedded": True} if profile else {"input_profile": "cmyk"}
    return image.icc_transform("srgb", depth=16, **source, **_CONVERSION)


def _sample(space: str, steps: int) -> NDArray[np.uint16]:
    """An even sample of all colours of a space, (1, steps ** bands, bands)."""
    bands = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    levels = np.linspace(0, 65_535, steps).round().astype(np.uint16)
    return np.stack(np.meshgrid(*[levels] * bands, indexing="ij"), -1).reshape(1, -1, bands)


def _sample_in_srgb(profile: bytes, space: str, steps: int) -> np.ndarray:
    return libvips.pixels_of(_in_srgb(libvips.image_of(_sample(space, steps), space), profile))


@lru_cache(maxsize=16)
def _is_whole(profile: bytes, space: str) -> bool:
    declared = int.from_bytes(profile[:4], "big")
    fits = profile[16:20] == _PROFILE_SPACES[space] and profile[36:40] == b"acsp"
    if not fits or declared != len(profile):
        return False
    try:
        _sample_in_srgb(profile, space, 2)
    except libvips.Error:
        return False
    return True


@lru_cache(maxsize=16)
def _leads_back(profile: bytes) -> bool:
    try:
        next(_back(np.zeros((1, 1, 3), np.float32), profile))
    except libvips.Error:
        return False
    return True


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes, space: str) -> bool:
    """Whether a profile takes every colour to itself in sRGB, within one of 255 levels."""
    sample = _sample(space, 9)
    change = _sample_in_srgb(profile, space, 9).astype(np.int32) - sample
    return bool(np.abs(change).max() <= 257)
