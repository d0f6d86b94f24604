"""The reader against files that torch and pickle wrote, and against what must never run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccnet.weights.unpickling import StoredTensor, Unreadable, unpickle

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**1000), 2**1000)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda values: (
        st.lists(values)
        | st.dictionaries(st.text() | st.integers(0, 2**31 - 1), values)
        | st.lists(values).map(tuple)
    ),
    max_leaves=30,
)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@given(value=plain_values)
def test_reads_plain_values_as_pickle_does(protocol: int, value: object) -> None:
    pickled = pickle.dumps(value, protocol)
    assert unpickle(io.BytesIO(pickled))[0] == pickle.loads(pickled)


@pytest.mark.parametrize("protocol", [2, 5])
def test_reads_long_containers_and_text(protocol: int) -> None:
    value = {"list": list(range(3000)), "text": "x" * 3000, **{str(n): n for n in range(3000)}}
    assert unpickle(io.BytesIO(pickle.dumps(value, protocol)))[0] == value


def test_stops_behind_the_first_of_several_pickles() -> None:
    stream = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps("next", 2))
    assert [unpickle(stream)[0], unpickle(stream)[0]] == [[1], "next"]


def test_describes_tensors(save: Callable[[object, str], bytes]) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 4)
    state = OrderedDict(view=whole[1, :, 1::2], parameter=torch.nn.Parameter(whole.half()))
    value, storages = unpickle(io.BytesIO(pickle_of(save(state, "zip"))))
    assert isinstance(value, dict)
    view, parameter = value["view"], value["parameter"]
    assert isinstance(view, StoredTensor)
    assert isinstance(parameter, StoredTensor)
    assert (view.offset, view.shape, view.strides) == (13, (3, 2), (4, 2))
    assert (view.storage.dtype, view.storage.size) == (torch.float32, 96)
    assert (parameter.storage.dtype, parameter.storage.size) == (torch.float16, 48)
    assert storages == {"0": view.storage, "1": parameter.storage}


def test_tensors_that_share_a_storage_share_its_description(
    save: Callable[[object, str], bytes],
) -> None:
    whole = torch.arange(6.0)
    value, _ = unpickle(io.BytesIO(pickle_of(save({"a": whole[:2], "b": whole[2:]}, "zip"))))
    assert isinstance(value, dict)
    assert value["a"].storage is value["b"].storage


class Runs:
    """Pickled, it asks for a function to be called with arguments when read."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.called = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.called


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, f"{os.name}.system"),
        (eval, "builtins.eval"),
        (bytearray, "builtins.bytearray"),
        (torch.load, "torch.serialization.load"),
    ],
)
def test_names_a_function_it_will_not_run(
    protocol: int, function: Callable[..., object], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pickled = pickle.dumps({"model": Runs(function, "echo it ran")}, protocol)
    # Protocol 2 writes the names that Python 2 had.
    name = name.replace("builtins", "__builtin__") if protocol == 2 else name
    with pytest.raises(Unreadable, match=f"refers to '{name}', which .* nothing of it was run"):
        unpickle(io.BytesIO(pickled))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02}u.",
        b"\x80\x02s.",
        b"\x80\x02(((tttt.",
        b"\x80\x02h\x05.",
        b"\x80\x02R.",
        b"\x80\x02))R.",
        b"\x80\x02)b.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02ccollections\nOrderedDict\n(K\x01tR.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_parameter\n)R.",
        b"\x80\x02(X\x07\x00\x00\x00storageK\x01K\x01K\x01K\x01tQ.",
        b"\x80\x02X\xff\xff\xff\xffabc",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"\x80\x02cos\nsystem",
        b"I1\n.",
        b"not a pickle",
    ],
)
def test_tells_of_damage(pickled: bytes) -> None:
    with pytest.raises(Unreadable):
        unpickle(io.BytesIO(pickled))


def test_is_not_held_up_by_keys_whose_hash_takes_forever() -> None:
    doubled = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(200))
    with pytest.raises(Unreadable, match="no checkpoint"):
        unpickle(io.BytesIO(b"\x80\x02})" + doubled + b"K\x01s."))


@pytest.mark.parametrize("key", [2**61 - 1, 2**31, -1])
def test_takes_no_key_that_can_be_made_to_share_its_hash(key: int) -> None:
    with pytest.raises(Unreadable, match="no checkpoint"):
        unpickle(io.BytesIO(pickle.dumps({key: 1}, 2)))


def test_a_shape_so_long_that_copies_of_it_add_up_is_refused(
    save: Callable[[object, str], bytes],
) -> None:
    longest = pickle_of(save({"a": torch.ones((1,) * 8)}, "zip"))
    value, _ = unpickle(io.BytesIO(longest))
    assert isinstance(value, dict)
    assert value["a"].shape == (1,) * 8
    with pytest.raises(Unreadable, match="is damaged"):
        unpickle(io.BytesIO(pickle_of(save({"a": torch.ones((1,) * 9)}, "zip"))))


def test_a_storage_is_named_by_five_values_and_at_most_one_view() -> None:
    named = (
        b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01"
    )
    for views in (b"", b"N"):
        value, storages = unpickle(io.BytesIO(b"\x80\x02(" + named + views + b"tQ."))
        assert value is storages["0"]
    for views in (b"K\x00", b"NN"):
        with pytest.raises(Unreadable, match="is damaged"):
            unpickle(io.BytesIO(b"\x80\x02(" + named + views + b"tQ."))


def test_does_not_make_room_for_what_is_only_declared() -> None:
    for declared in (b"r\xff\xff\xff\xff", b"B\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 7 + b"\x0f"):
        with pytest.raises(Unreadable):
            unpickle(io.BytesIO(b"\x80\x04" + declared + b"."))


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_changed_pickle_is_read_or_told_to_be_damaged(
    save: Callable[[object, str], bytes], seed: int
) -> None:
    generator = random.Random(seed)
    value = {"model": OrderedDict(a=torch.ones(3)), "optimizer": [1, 2.5, None, (1, 2, 2**40)]}
    changed = bytearray(pickle_of(save(value, generator.choice(("zip", "zip5")))))
    for _ in range(generator.choice((1, 1, 2, 5))):
        position = generator.randrange(len(changed))
        replacement = generator.choice((b"", bytes([generator.randrange(256)]), b"(", b"R", b"s"))
        changed[position : position + generator.randrange(2)] = replacement
    with contextlib.suppress(Unreadable):
        unpickle(io.BytesIO(changed))


def pickle_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as entries:
        return entries.read("archive/data.pkl")
