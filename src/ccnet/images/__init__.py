"""Files and bytes to pictures and back: formats, colour, depth and metadata."""

from ccnet.images.colour import to_srgb, with_srgb_change
from ccnet.images.picture import Picture
from ccnet.images.reading import MAX_PIXELS, picture_size, read_picture
from ccnet.images.writing import encode_picture, write_picture

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "encode_picture",
    "picture_size",
    "read_picture",
    "to_srgb",
    "with_srgb_change",
    "write_picture",
]
