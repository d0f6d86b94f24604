"""ONNX files of our own, known again without a package that reads ONNX.

Their last bytes are an entry of metadata with the SHA-256 of all before it. So a file of anyone
else, or one that is damaged, is refused before an engine, written in C++, sees any of it. The entry
is field 14 of ONNX's ModelProto, as protobuf.dev/programming-guides/encoding lays it out.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ccnet.errors import WeightsError

_KEY = b"ccnet_1_sha256"
"""With a number that rises when what such a file takes or gives is changed."""

_DIGITS = 64
_ENTRY = b"\x0a" + bytes([len(_KEY)]) + _KEY + b"\x12" + bytes([_DIGITS])
_MARK = b"\x72" + bytes([len(_ENTRY) + _DIGITS]) + _ENTRY


def seal(model: bytes) -> bytes:
    """Add the checksum to a serialised ONNX model."""
    return model + _MARK + hashlib.sha256(model).hexdigest().encode()


def read_onnx(path: str | os.PathLike[str]) -> bytes:
    """Read an ONNX file that was sealed; raises `WeightsError` for any other."""
    path = Path(path)
    try:
        if not path.is_file():
            raise WeightsError(f"{path} is {'no file' if path.exists() else 'not there'}.")
        with path.open("rb") as file:
            end = max(0, file.seek(0, os.SEEK_END) - len(_MARK) - _DIGITS)
            file.seek(end)
            if not file.read(len(_MARK)) == _MARK:
                raise WeightsError(
                    f"{path} is cut short, or was not written by this version's ccnet export with "
                    "--format onnx --averages."
                )
            file.seek(0)
            data = file.read()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise WeightsError(f"{path} cannot be read: {reason.lower()}.") from error
    if seal(data[:end]) != data:
        raise WeightsError(f"{path} is damaged: its checksum is not that of its content.")
    return data
