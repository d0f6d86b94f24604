"""Colour conversion by matrix profiles: three curves and a matrix, as Display P3 and Adobe RGB are.

lcms, through libvips, would do it at 16 bits by a table of 33 steps a side, which is up to 28 of
255 levels off near the edge of sRGB; this is exact to rounding, and as fast. Written from
ICC.1:2022, 10.6 (curveType), 10.18 (parametricCurveType) and F.3 (three-component matrix profiles).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ccnet.images.libvips import builtin_profile

_STEPS = 65_536


@dataclass(frozen=True, eq=False)
class MatrixProfile:
    """An RGB space by its profile.

    Attributes:
        curves: (3, 65536), from a band's value in steps of 1/65535 to linear light in [0, 1].
        inverses: (3, 65536), back, from the square root of linear light in such steps: the root
            spends them where the eye sees.
        colorants: (3, 3), from linear light to XYZ relative to D50; a column for each band.
    """

    curves: NDArray[np.float32]
    inverses: NDArray[np.float32]
    colorants: NDArray[np.float64]

    def to(self, other: MatrixProfile, values: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Bring colours to another RGB space, clipped to what it holds.

        Args:
            other: The space to bring them to.
            values: (..., 3) over the full range.

        Returns:
            (..., 3) in [0, 1].
        """
        colours = np.empty(values.shape, np.float32)
        for band in range(3):
            colours[..., band] = self.curves[band][values[..., band]]
        between = np.linalg.solve(other.colorants, self.colorants)
        linear = np.matmul(colours, between.T.astype(np.float32))
        roots = np.sqrt(np.clip(linear, 0, 1, out=linear), out=linear)
        steps = (roots * np.float32(_STEPS - 1) + np.float32(0.5)).astype(np.uint16)
        for band in range(3):
            colours[..., band] = other.inverses[band][steps[..., band]]
        return colours


@lru_cache(maxsize=16)
def matrix_profile(profile: bytes) -> MatrixProfile | None:
    """Read an ICC profile; None where it is no RGB matrix profile, or has tables to go before."""
    count = min(int.from_bytes(profile[128:132], "big"), (len(profile) - 132) // 12)
    tags = {
        name: profile[at : at + length]
        for name, at, length in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count])
    }
    if not tags.keys().isdisjoint((b"A2B0", b"A2B1", b"D2B0", b"D2B1")):
        return None
    try:
        colorants = np.stack([_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], 1)
        curves = np.stack([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")])
        np.linalg.inv(colorants)
    except (KeyError, ValueError, FloatingPointError, struct.error, np.linalg.LinAlgError):
        return None
    # A curve that falls or stands still has no inverse; the least value that reaches is taken.
    rising = np.maximum.accumulate(np.clip(curves, 0, 1), axis=1)
    values = np.linspace(0, 1, _STEPS)
    inverses = np.stack([np.interp(values**2, curve, values) for curve in rising])
    return MatrixProfile(
        np.clip(curves, 0, 1).astype(np.float32), inverses.astype(np.float32), colorants
    )


@lru_cache(maxsize=1)
def srgb_profile() -> MatrixProfile:
    """Give sRGB itself, by libvips's profile of it."""
    profile = matrix_profile(builtin_profile("srgb"))
    assert profile is not None
    return profile


def _curve(tag: bytes) -> NDArray[np.float64]:
    """Sample a tone curve at every step.

    Raises ValueError, struct.error or FloatingPointError where it is broken.
    """
    values = np.linspace(0, 1, _STEPS)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return values
        samples = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return values ** float(samples[0] / 256)
        table: NDArray[np.float64] = np.interp(values, np.linspace(0, 1, count), samples / 65_535)
        return table
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    # Each kind is a case of Y = (a X + b) ** g + e from X = d on, and Y = c X + f below.
    g, a, b, c, d, e, f = 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind == 0:
        (g,) = _fixed(tag, 12, 1)
    elif kind == 1:
        g, a, b = _fixed(tag, 12, 3)
        d = -b / a if a else 0.0
    elif kind == 2:
        g, a, b, e = _fixed(tag, 12, 4)
        d, f = (-b / a if a else 0.0), e
    elif kind == 3:
        g, a, b, c, d = _fixed(tag, 12, 5)
    elif kind == 4:
        g, a, b, c, d, e, f = _fixed(tag, 12, 7)
    else:
        raise ValueError("no curve")
    with np.errstate(divide="raise", over="raise"):
        upper = np.power(np.maximum(a * values + b, 0), g) + e
    return np.where(values >= d, upper, c * values + f)


def _fixed(tag: bytes, at: int, count: int) -> NDArray[np.float64]:
    """Read signed fixed-point numbers with 16 bits behind the point."""
    return np.frombuffer(tag, ">i4", count, at) / 65_536
