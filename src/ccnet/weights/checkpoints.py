"""Published checkpoints: what `torch.save({"model": state_dict})` writes, in its two formats.

Since torch 1.6 that is a zip file of one pickle and a file per tensor; before, it was five pickles
followed by the tensors' values. Nothing here runs what a file holds (`unpickling`), and no more
memory is taken for values than the file has bytes.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import torch
from torch import Tensor

from ccnet.weights.published import from_published
from ccnet.weights.unpickling import CutShort, Storage, StoredTensor, Unreadable, unpickle

LONGEST_PICKLE = 2 << 20
"""Bytes; the largest published network's, with its optimizer's state, takes 336,832."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

ZIP_ERRORS = (
    zipfile.BadZipFile,
    KeyError,
    OSError,
    EOFError,
    OverflowError,
    RuntimeError,  # an encrypted entry; NotImplementedError, for what other programs pack, is one
    ValueError,
    struct.error,
)
"""What `zipfile` raises on damaged files."""

NO_STATE = "is no checkpoint of CCNet: it holds no dictionary of tensors, by itself or as 'model'"
TOO_LONG = f"is no checkpoint of CCNet: its pickle is longer than {LONGEST_PICKLE >> 20} MiB"

ReadStorage = Callable[[Storage], bytes]


class Checkpoint:
    """The tensors of a checkpoint, by our names; `shapes` is known, values are read on demand."""

    def __init__(self, tensors: dict[str, StoredTensor], read_storage: ReadStorage) -> None:
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self._tensors = tensors
        self._read_storage = read_storage
        self._values: dict[Storage, Tensor] = {}

    def read(self, name: str) -> Tensor:
        """Read one tensor, in the type it is stored in. Raises `Unreadable`."""
        tensor = self._tensors[name]
        storage, reach = tensor.storage, 0
        strides = []
        for length, stride in zip(tensor.shape, tensor.strides, strict=True):
            # torch writes any stride for a side of length 1, where none counts.
            strides.append(stride if length > 1 else 0)
            reach += (length - 1) * strides[-1]
        if tensor.offset + reach >= storage.values:
            raise Unreadable("is damaged")
        if storage not in self._values:
            data = bytearray(self._read_storage(storage))
            self._values[storage] = torch.frombuffer(data, dtype=storage.dtype)
        return self._values[storage].as_strided(tensor.shape, strides, tensor.offset)


def open_checkpoint(file: BinaryIO) -> Checkpoint:
    """Read what tensors a checkpoint holds. Raises `Unreadable`; `file` must stay open."""
    start = file.read(2)
    file.seek(0)
    if start == b"PK":
        return _open_zip(file)
    if start[:1] == pickle.PROTO:
        return _open_legacy(file)
    raise Unreadable("holds no weights: it is neither a .safetensors nor a checkpoint of torch")


def _open_zip(file: BinaryIO) -> Checkpoint:
    size = file.seek(0, io.SEEK_END)
    try:
        archive = zipfile.ZipFile(file)
    except ZIP_ERRORS as error:
        raise Unreadable("is cut short or damaged") from error
    entries = archive.infolist()
    # torch never compresses: what unpacks to more than the file has bytes is made to do harm.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise Unreadable("is compressed, as no checkpoint is")
    if sum(entry.file_size for entry in entries) > size:
        raise Unreadable("is damaged")
    folders = {
        name.removesuffix("/data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")
    }
    if len(folders) != 1:
        raise Unreadable("is a zip file, but no checkpoint")
    folder = folders.pop()
    byte_order = f"{folder}/byteorder"
    if byte_order in archive.namelist() and _read_entry(archive, byte_order) != b"little":
        raise Unreadable("was written on a big-endian machine, whose files are not supported")
    if archive.getinfo(f"{folder}/data.pkl").file_size > LONGEST_PICKLE:
        raise Unreadable(TOO_LONG)
    value, _ = unpickle(io.BytesIO(_read_entry(archive, f"{folder}/data.pkl")))

    def read_storage(storage: Storage) -> bytes:
        data = _read_entry(archive, f"{folder}/data/{storage.key}")
        if len(data) != storage.size:
            raise Unreadable("is damaged")
        return data

    return Checkpoint(_model_tensors(value), read_storage)


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except ZIP_ERRORS as error:
        raise Unreadable("is damaged") from error


def _open_legacy(file: BinaryIO) -> Checkpoint:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    pickles = io.BytesIO(file.read(LONGEST_PICKLE))
    try:
        for expected in (LEGACY_MAGIC, LEGACY_PROTOCOL):
            if unpickle(pickles)[0] != expected:
                raise Unreadable("is a pickle, but no checkpoint")
        unpickle(pickles)  # the writing machine's byte order and word sizes
        value, storages = unpickle(pickles)
        keys, _ = unpickle(pickles)
    except CutShort:
        if size > LONGEST_PICKLE:
            raise Unreadable(TOO_LONG) from None
        raise
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Unreadable("is damaged")

    # Each storage follows in the order of `keys`: 8 bytes for its number of values, then these.
    starts = {}
    position = pickles.tell()
    for key in keys:
        if key not in storages:
            raise Unreadable("is damaged")
        starts[key] = position + 8
        position += 8 + storages[key].size
    if position > size:
        raise Unreadable("is cut short")

    def read_storage(storage: Storage) -> bytes:
        if storage.key not in starts:
            raise Unreadable("is damaged")
        file.seek(starts[storage.key] - 8)
        if int.from_bytes(file.read(8), "little") != storage.values:
            raise Unreadable("is damaged")
        return file.read(storage.size)

    return Checkpoint(_model_tensors(value), read_storage)


def _model_tensors(value: object) -> dict[str, StoredTensor]:
    """Take the network's tensors out of what a checkpoint holds, by our names."""
    state = value.get("model", value) if isinstance(value, dict) else value
    if not isinstance(state, dict):
        raise Unreadable(NO_STATE)
    tensors = {
        name: tensor
        for name, tensor in state.items()
        if isinstance(name, str) and isinstance(tensor, StoredTensor)
    }
    if not tensors or len(tensors) != len(state):
        raise Unreadable(NO_STATE)
    return from_published(tensors)
