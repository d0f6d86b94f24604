"""ONNX files of our own, known again and put together without a package that reads ONNX.

Their last bytes are an entry of metadata with the SHA-256 of all before it. So a file of anyone
else, or one that is damaged, is refused before an engine, written in C++, sees any of it. Those
that ship hold no weights, which are in the .safetensors beside them, and the checksum is of both.

ONNX is protobuf, as protobuf.dev/programming-guides/encoding lays it out: the entry is field 14 of
a ModelProto, and to join the bytes of two of these joins their lists, so weights are added by
putting a second one behind it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ccnet.errors import WeightsError, reason_of

_WITHIN, _BESIDE = b"ccnet_1_sha256", b"ccnet_1_beside"
"""Where the weights are, with a number that rises when what such a file takes or gives is
changed."""

_DIGITS = 64
_TENSOR_TYPES = {"float32": 1, "float16": 10}
"""ONNX's numbers for what weights may be held in."""


class OnnxFile(NamedTuple):
    """What a file holds, and the weights to put behind that and behind any graph within it."""

    graph: bytes
    weights: bytes

    @property
    def model(self) -> bytes:
        """All of it, as engines read it."""
        return self.graph + self.weights

    @property
    def checksum(self) -> str:
        """The SHA-256 that the file ends in, of all before it and the weights."""
        return self.graph[-_DIGITS:].decode()


def seal(graph: bytes, weights: bytes = b"") -> bytes:
    """Add the checksum to a serialised ONNX model, and to that of weights that stay beside it."""
    digest = hashlib.sha256(graph + weights).hexdigest().encode()
    return graph + _mark(_BESIDE if weights else _WITHIN) + digest


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read an ONNX file that was sealed, and the weights beside it where it has none.

    Raises `WeightsError` for any other, and where these are missing or others.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise WeightsError(f"{path} is {'no file' if path.exists() else 'not there'}.")
        length = len(_mark(_WITHIN))
        with path.open("rb") as file:
            end = max(0, file.seek(0, os.SEEK_END) - length - _DIGITS)
            file.seek(end)
            mark = file.read(length)
            if mark not in (_mark(_WITHIN), _mark(_BESIDE)):
                raise WeightsError(
                    f"{path} is cut short, or was not written by this version's ccnet export with "
                    "--format onnx --averages."
                )
            file.seek(0)
            data = file.read()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error
    beside = path.with_suffix(".safetensors") if mark == _mark(_BESIDE) else None
    weights = b"" if beside is None else read_weights(beside)
    if seal(data[:end], weights) != data:
        other = "" if beside is None else f", or {beside} is not the one that it was made with"
        raise WeightsError(f"{path} is damaged: its checksum is not that of its content{other}.")
    return OnnxFile(data, weights)


def read_weights(path: Path) -> bytes:
    """Read a .safetensors as an ONNX model that has nothing but its tensors, by their names.

    Raises `WeightsError` where it is none, or holds other numbers than float32 and float16.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = [(name, file.get_tensor(name)) for name in sorted(file.keys())]
            graph = b"".join(_field(5, _tensor(*tensor)) for tensor in tensors)
    # AttributeError: numbers of a type that NumPy lacks.
    except (OSError, SafetensorError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path} is missing, damaged or no .safetensors: {error}.") from error
    return _field(7, graph)


def _tensor(name: str, values: NDArray[np.generic]) -> bytes:
    """Spell a TensorProto: its sides, type, name and values."""
    sides = b"".join(_varint(1 << 3) + _varint(side) for side in values.shape)
    kind = _varint(2 << 3) + _varint(_TENSOR_TYPES[values.dtype.name])
    return sides + kind + _field(8, name.encode()) + _field(9, values.tobytes())


def _mark(key: bytes) -> bytes:
    """Spell the entry of metadata up to its checksum."""
    entry = _field(1, key) + bytes([2 << 3 | 2, _DIGITS])
    return bytes([14 << 3 | 2, len(entry) + _DIGITS]) + entry


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Spell a number in groups of seven bits, the lowest first."""
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
