"""Read the pickle inside a checkpoint as data: nothing is imported, called or allocated.

A pickle is a program for a stack machine, and the usual readers run it with real classes and
functions. Here the machine knows text, numbers, dictionaries, lists and tuples; a tensor becomes a
description of where its values lie in the file; any other name or instruction ends the reading.

`torch.load(weights_only=True)` is not enough for files from strangers: before torch 2.10 a file
could corrupt memory through it (GHSA-63cw-57p8-fm3p), and torch 2.13 can still be made to hang (by
nested tuples as a dictionary's key) or to take any amount of memory (by a `bytearray`, or tensors
stored compressed) with a small file.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import torch

STORAGE_TYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
"""What a pickle calls a run of values of each type."""

REBUILD_TENSOR = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
ORDERED_DICTIONARY = "collections.OrderedDict"
MOST_SIDES = 8
"""Of a tensor's shape; a weight has 4."""

NAMES = {*STORAGE_TYPES, *REBUILD_TENSOR, REBUILD_PARAMETER, ORDERED_DICTIONARY}


class Unreadable(Exception):
    """Says what is wrong with a file, in words that follow its name: "is cut short"."""


class CutShort(Unreadable):
    """Says that a file ends within its pickle."""


@dataclass(frozen=True, eq=False)
class Storage:
    """A run of `values` numbers of one type, found in a file by `key`."""

    dtype: torch.dtype
    key: str
    values: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.values * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """Where a tensor's values lie in a storage; `offset` and `strides` count values, unchecked."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Name:
    """A class or function that the pickle refers to, of which only the name is taken."""

    path: str


def unpickle(stream: BytesIO) -> tuple[object, dict[str, Storage]]:
    """Read one pickle (protocol 2 to 5) from `stream` and leave it standing behind its end.

    Gives the value, made of dictionaries, lists, tuples, text, numbers, None and `StoredTensor`,
    and the storages that were named, by their keys. Raises `Unreadable`. Takes some hundred times
    the memory of the pickle at worst.
    """
    machine = _Machine(stream)
    try:
        return machine.run(), machine.storages
    except EOFError:
        raise CutShort("is cut short") from None
    except (IndexError, KeyError, ValueError):  # an empty stack, an unset memo, text not in UTF-8
        raise Unreadable("is damaged") from None


class _Machine:
    def __init__(self, stream: BytesIO) -> None:
        self.stream = stream
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> object:
        while (instruction := self.read(1)) != pickle.STOP:
            if instruction not in _INSTRUCTIONS:
                raise Unreadable("is damaged, or pickled as no checkpoint of weights is")
            _INSTRUCTIONS[instruction](self)
        return self.stack.pop()

    def read(self, length: int) -> bytes:
        data = self.stream.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def skip(self, length: int) -> None:
        self.read(length)

    def read_number(self, format: str) -> int:  # noqa: A002
        number: int = struct.unpack(format, self.read(struct.calcsize(format)))[0]
        return number

    def read_line(self) -> str:
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line[:-1].decode()

    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_text(self, length: int) -> None:
        self.push(self.read(length).decode())

    def push_float(self) -> None:
        self.push(struct.unpack(">d", self.read(8))[0])

    def push_long(self) -> None:
        self.push(int.from_bytes(self.read(self.read_number("B")), "little", signed=True))

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def pop_last(self, count: int) -> list[object]:
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def pop_to_mark(self) -> list[object]:
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def append(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError
        target.extend(items)

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a tuple costs the size of the tree it is the root of, which is not
            # bounded by the size of the file; whole numbers 2**61 - 1 apart share theirs, and a
            # dictionary of them takes time in the square of its length.
            if not (isinstance(key, str) or (isinstance(key, int) and 0 <= key < 2**31)):
                raise Unreadable("is no checkpoint of weights")
            target[key] = value

    def push_name(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError
        path = f"{module}.{name}"
        if path not in NAMES:
            raise Unreadable(
                f"refers to {path!r:.100}, which no checkpoint of weights needs and which may be "
                "code; nothing of it was run"
            )
        self.push(_Name(path))

    def call(self) -> None:
        function, arguments = self.pop_last(2)
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError
        if function.path == ORDERED_DICTIONARY and not arguments:
            self.push({})
        elif function.path in REBUILD_TENSOR:
            self.push(_stored_tensor(arguments))
        elif function.path == REBUILD_PARAMETER and arguments:
            self.push(arguments[0])
        else:
            raise ValueError

    def drop_attributes(self) -> None:
        """Leave out what `state_dict()` hangs on its OrderedDict: the modules' versions."""
        target, _ = self.pop_last(2)
        if not isinstance(target, dict):
            raise ValueError
        self.push(target)

    def push_storage(self) -> None:
        identity = self.stack.pop()
        # Files from before torch 1.6 add a sixth entry, a view of the storage, always None. One
        # tuple can stand for many storages, so a long one must not be gone through.
        if not isinstance(identity, tuple) or len(identity) not in (5, 6):
            raise ValueError
        kind, key, values = identity[1], identity[2], identity[4]
        if not (isinstance(kind, _Name) and kind.path in STORAGE_TYPES):
            raise ValueError
        if (
            identity[0] != "storage"
            or not isinstance(key, str)
            or identity[5:] not in ((), (None,))
        ):
            raise ValueError
        storage = Storage(STORAGE_TYPES[kind.path], key, _count(values))
        known = self.storages.setdefault(key, storage)
        if (known.dtype, known.values) != (storage.dtype, storage.values):
            raise ValueError
        self.push(known)


def _stored_tensor(arguments: tuple[object, ...]) -> StoredTensor:
    """Describe a tensor by the arguments of torch's function that would make it."""
    storage, offset, shape, strides = arguments[:4]
    if not (isinstance(storage, Storage) and isinstance(shape, tuple)):
        raise ValueError
    # One tuple can be the shape of many tensors, so a long one must not be copied.
    if not (isinstance(strides, tuple) and len(strides) == len(shape) <= MOST_SIDES):
        raise ValueError
    return StoredTensor(
        storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides))
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], None]] = {
    pickle.PROTO: lambda machine: machine.skip(1),
    pickle.FRAME: lambda machine: machine.skip(8),
    pickle.NONE: lambda machine: machine.push(None),
    pickle.NEWTRUE: lambda machine: machine.push(True),
    pickle.NEWFALSE: lambda machine: machine.push(False),
    pickle.BININT: lambda machine: machine.push(machine.read_number("<i")),
    pickle.BININT1: lambda machine: machine.push(machine.read_number("<B")),
    pickle.BININT2: lambda machine: machine.push(machine.read_number("<H")),
    pickle.LONG1: _Machine.push_long,
    pickle.BINFLOAT: _Machine.push_float,
    pickle.SHORT_BINUNICODE: lambda machine: machine.push_text(machine.read_number("<B")),
    pickle.BINUNICODE: lambda machine: machine.push_text(machine.read_number("<I")),
    pickle.EMPTY_TUPLE: lambda machine: machine.push(()),
    pickle.TUPLE1: lambda machine: machine.push(tuple(machine.pop_last(1))),
    pickle.TUPLE2: lambda machine: machine.push(tuple(machine.pop_last(2))),
    pickle.TUPLE3: lambda machine: machine.push(tuple(machine.pop_last(3))),
    pickle.TUPLE: lambda machine: machine.push(tuple(machine.pop_to_mark())),
    pickle.EMPTY_LIST: lambda machine: machine.push([]),
    pickle.APPEND: lambda machine: machine.append(machine.pop_last(1)),
    pickle.APPENDS: lambda machine: machine.append(machine.pop_to_mark()),
    pickle.EMPTY_DICT: lambda machine: machine.push({}),
    pickle.SETITEM: lambda machine: machine.set_items(machine.pop_last(2)),
    pickle.SETITEMS: lambda machine: machine.set_items(machine.pop_to_mark()),
    pickle.MARK: lambda machine: machine.marks.append(len(machine.stack)),
    pickle.BINPUT: lambda machine: machine.remember(machine.read_number("<B")),
    pickle.LONG_BINPUT: lambda machine: machine.remember(machine.read_number("<I")),
    pickle.MEMOIZE: lambda machine: machine.remember(len(machine.memo)),
    pickle.BINGET: lambda machine: machine.push(machine.memo[machine.read_number("<B")]),
    pickle.LONG_BINGET: lambda machine: machine.push(machine.memo[machine.read_number("<I")]),
    pickle.GLOBAL: lambda machine: machine.push_name(machine.read_line(), machine.read_line()),
    pickle.STACK_GLOBAL: lambda machine: machine.push_name(*machine.pop_last(2)),
    pickle.REDUCE: _Machine.call,
    pickle.BUILD: _Machine.drop_attributes,
    pickle.BINPERSID: _Machine.push_storage,
}
