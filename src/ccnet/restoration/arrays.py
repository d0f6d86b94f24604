"""Arrays of any depth to what an engine takes, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import UsageError

Scalar = TypeVar("Scalar", bound=np.generic)

_LARGEST = {"uint8": 255, "uint16": 65_535, "float32": 1, "float64": 1}
# Rec. 709's luma, as `ccnet.images` weighs a change of colour for a gray picture.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


class Cuts:
    """A picture (H, W, 3) in [0, 1] whose rows and columns are made when they are looked at.

    Args:
        cut: Gives rows and columns as a new float32 array.
        height: Of the whole picture, as is `width`.
    """

    def __init__(
        self, cut: Callable[[slice, slice], NDArray[np.float32]], height: int, width: int
    ) -> None:
        self.shape = (height, width, 3)
        self._cut = cut

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[np.float32]:
        return self._cut(*place)


def check_array(array: NDArray[Any]) -> None:
    """Raise UsageError unless an array is a picture that can be restored; see `Restorer`."""
    shape = "x".join(map(str, array.shape))
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (2,), (3,), (4,)):
        raise UsageError(
            f"An array of shape {shape or '()'} is no picture: give (height, width), or (height, "
            "width, channels) with 1 or 3 channels, and one more for alpha."
        )
    if array.size == 0:
        raise UsageError(f"An array of shape {shape} holds no pixels.")
    if array.dtype.name not in _LARGEST:
        raise UsageError(
            f"An array of {array.dtype} is not restored: convert it to uint8 or uint16, or to "
            "float32 or float64 in [0, 1]."
        )
    if array.dtype.kind == "f":
        smallest, largest = array.min(), array.max()  # both are NaN where any is
        if not (smallest >= 0 and largest <= 1):
            raise UsageError(
                f"An array of {array.dtype} must lie in [0, 1], and this one reaches from "
                f"{smallest:g} to {largest:g}."
            )


def rgb_of(array: NDArray[Any]) -> NDArray[np.float32]:
    """Give a checked array's colours as a new (H, W, 3) float32 array in [0, 1], without alpha."""
    rgb = np.empty((*array.shape[:2], 3), np.float32)
    np.divide(_colours(array), _LARGEST[array.dtype.name], out=rgb, casting="same_kind")
    return rgb


def with_rgb(array: NDArray[Scalar], rgb: NDArray[np.float32]) -> NDArray[Scalar]:
    """Put colours (H, W, 3) in [0, 1] into a copy of an array of any kind, keeping its alpha.

    A gray array takes their luma.
    """
    changed: NDArray[Scalar] = array.copy(order="C")
    colours = _colours(changed)
    largest = _LARGEST[array.dtype.name]
    for row, line in enumerate(rgb):  # a whole picture of further floats would not be small
        values = line if colours.shape[2] == 3 else (line @ _LUMA)[:, None]
        colours[row] = values if largest == 1 else np.rint(values * np.float32(largest))
    return changed


def _colours(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """View an array without its alpha as (H, W, 1) or (H, W, 3)."""
    if array.ndim == 2:
        return array[:, :, None]
    return array[:, :, : 3 if array.shape[2] >= 3 else 1]
