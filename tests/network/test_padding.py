from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccnet.network.padding import MULTIPLE, fitting_size, mirror_indices, pad_to_fit


@given(length=st.integers(1, 50), extra=st.integers(0, 200))
def test_mirrored_indices_are_numpys_reflection(length: int, extra: int) -> None:
    indices = mirror_indices(length, length + extra, torch.device("cpu"))
    # NumPy has no reflection of a single value; repeating it is the only one there can be.
    mode = "reflect" if length > 1 else "edge"
    expected = np.pad(np.arange(length), (0, extra), mode=mode)  # type: ignore[call-overload]
    np.testing.assert_array_equal(indices.numpy(), expected)


@given(st.integers(1, 5000), st.sampled_from([4, 124, 228]))
def test_a_fitting_size_is_the_least_that_the_network_takes(length: int, smallest: int) -> None:
    candidates = range(max(length, smallest), max(length, smallest) + MULTIPLE)
    expected = next(size for size in candidates if size % MULTIPLE == 0)
    assert fitting_size(length, smallest) == expected


def test_pads_to_the_right_and_below_only() -> None:
    batch = torch.rand(2, 3, 125, 1)
    padded = pad_to_fit(batch, 124)
    assert padded.shape == (2, 3, 128, 124)
    torch.testing.assert_close(padded[:, :, :125, :1], batch, rtol=0, atol=0)
    torch.testing.assert_close(padded[:, :, 125], padded[:, :, 123], rtol=0, atol=0)


def test_leaves_what_fits_alone() -> None:
    batch = torch.rand(1, 3, 124, 256)
    assert pad_to_fit(batch, 124) is batch
