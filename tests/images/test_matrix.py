"""Matrix profiles, held against the formulas of the spaces they describe."""

import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ccnet.images.matrix import matrix_profile, srgb_profile

from .made import (
    colorants,
    converted,
    fixed,
    gamma_tag,
    icc_file,
    linear,
    profile,
    rgb_profile,
)

LEVEL = 1 / 255


@pytest.mark.parametrize("source", ["adobe", "prophoto", "p3", "srgb"])
@pytest.mark.parametrize("target", ["adobe", "prophoto", "p3", "srgb"])
def test_converts_as_the_formulas_do(source: str, target: str) -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (200, 100, 3), dtype=np.uint16)
    start, end = matrix_profile(profile(source)), matrix_profile(profile(target))
    assert start is not None
    assert end is not None
    ours, theirs = start.to(end, values), converted(source, target, values / 65_535)
    assert ours.dtype == np.float32
    error = np.abs(ours - theirs)
    assert error.mean() < 0.03 * LEVEL
    # Profiles keep four digits, which tells in the darkest colours, where curves are steep.
    assert error[theirs > 10 * LEVEL].max() < 0.3 * LEVEL


def test_libvips_srgb_is_srgb() -> None:
    assert_allclose(srgb_profile().colorants, colorants("srgb"), atol=2e-4)
    expected = linear("srgb", np.linspace(0, 1, 65_536))
    assert_allclose(srgb_profile().curves, np.stack([expected] * 3), atol=2e-5)


@pytest.mark.parametrize("name", ["adobe", "prophoto", "p3", "srgb"])
def test_16_bits_survive_the_way_to_itself(name: str) -> None:
    own = matrix_profile(profile(name))
    assert own is not None
    values = np.arange(65_536, dtype=np.uint16)[:, None].repeat(3, 1)
    assert_allclose(own.to(own, values) * 65_535, values, atol=3)


def test_every_kind_of_curve() -> None:
    x = np.linspace(0, 1, 65_536)
    samples = np.rint(np.linspace(0, 1, 33) ** 2 * 65_535)
    table = b"curv\0\0\0\0" + struct.pack(">I33H2x", 33, *samples.astype(int))
    curves = {
        b"curv\0\0\0\0" + struct.pack(">I", 0): x,
        gamma_tag(2): x**2,
        table: np.interp(x, np.linspace(0, 1, 33), samples / 65_535),
        b"para\0\0\0\0\0\0\0\0" + fixed([1.8]): x**1.8,
        b"para\0\0\0\0\0\1\0\0" + fixed([2, 0.5, -0.25]): np.maximum(x / 2 - 0.25, 0) ** 2,
        b"para\0\0\0\0\0\2\0\0" + fixed([2, 0.5, -0.25, 0.5]): np.maximum(x / 2 - 0.25, 0) ** 2
        + 0.5,
        b"para\0\0\0\0\0\3\0\0" + fixed([2, 1, 0, 0.25, 0.25]): np.where(x >= 0.25, x**2, x / 4),
        b"para\0\0\0\0\0\4\0\0" + fixed([2, 0.5, 0, 0.25, 0.5, 0.5, 0.125]): np.where(
            x >= 0.5, x**2 / 4 + 0.5, x / 4 + 0.125
        ),
    }
    for tag, expected in curves.items():
        read = matrix_profile(rgb_profile(colorants("srgb"), [tag, gamma_tag(1), gamma_tag(1)]))
        assert read is not None
        assert_allclose(read.curves[0], expected, atol=1e-4)


def test_other_and_broken_profiles_are_none() -> None:
    flat = np.outer([0.3, 0.3, 0.3], [1, 1, 1])
    odd = b"para\0\0\0\0\0\x09\0\0" + fixed([1])
    for broken in (
        profile("gray"),
        profile("cmyk"),
        b"",
        profile("p3")[:200],
        rgb_profile(flat, [gamma_tag(1)] * 3),
        rgb_profile(colorants("p3"), [odd] * 3),
        rgb_profile(colorants("p3"), [b"para" + bytes(8) + fixed([-1])] * 3),
        rgb_profile(colorants("p3"), [b"para\0\0\0\0\0\1\0\0" + fixed([9999, 2, 0])] * 3),
        rgb_profile(colorants("p3"), [b"none\0\0\0\0\0\0\0\0"] * 3),
        rgb_profile(colorants("p3"), [b"curv\0\0\0\0\0\0\0\7\0\0\0\0"] * 3),
        icc_file(b"RGB ", {b"A2B0": b"mft2" + bytes(60)}),
    ):
        assert matrix_profile(broken) is None
