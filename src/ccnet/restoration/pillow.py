"""Pillow's images, for those who have it; nothing here imports it unless an image is given."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from ccnet.errors import UsageError
from ccnet.images import Picture
from ccnet.images.colour import usable_profile
from ccnet.images.picture import Space

if TYPE_CHECKING:
    from PIL.Image import Image

# By mode: the space of its colours and whether alpha follows them.
_MODES: dict[str, tuple[Space, bool]] = {
    "L": ("gray", False),
    "LA": ("gray", True),
    "I;16": ("gray", False),
    "RGB": ("rgb", False),
    "RGBA": ("rgb", True),
    "CMYK": ("cmyk", False),
}


def is_image(value: object) -> TypeGuard[Image]:
    """Whether a value is an image of Pillow, which must have been imported to make one."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def to_picture(image: Image) -> Picture:
    """Take an image's pixels and colour profile. Raises UsageError for a mode of another kind."""
    if image.mode not in _MODES:
        raise UsageError(
            f"A Pillow image of mode {image.mode} is not restored: convert it first, for example "
            'with image.convert("RGB").'
        )
    if 0 in image.size:
        raise UsageError("A Pillow image of no pixels cannot be restored.")
    space, has_alpha = _MODES[image.mode]
    pixels = np.array(image).reshape(image.height, image.width, -1)
    alpha = None
    if has_alpha:
        pixels, alpha = pixels[:, :, :-1].copy(), pixels[:, :, -1].copy()
    profile = usable_profile(image.info.get("icc_profile"), space)
    return Picture(pixels, alpha, space, bits=8 * pixels.itemsize, icc_profile=profile)


def from_picture(picture: Picture, like: Image) -> Image:
    """Make an image of the mode and with the `info` of the one that the picture was taken from."""
    from PIL import Image

    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack((pixels, picture.alpha))
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    image = Image.frombytes(like.mode, like.size, data)
    image.info = dict(like.info)
    return image
