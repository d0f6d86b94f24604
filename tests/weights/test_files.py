"""Reading weights: what is whole, and every way of not being so."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import read_network, save_checkpoint, save_model

from .conftest import assert_same_weights

KINDS = ("zip", "zip5", "legacy", "safetensors")
CHECKPOINTS = ("zip", "legacy")

Save = Callable[[object, str], bytes]
Write = Callable[[bytes], Path]
State = dict[str, Tensor]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["weights.pkl", "caf\udce9"])
def test_reads_every_format_whatever_its_name(
    kind: str, name: str, whole_files: dict[str, bytes], tmp_path: Path, tiny_network: CCNet
) -> None:
    (tmp_path / name).write_bytes(whole_files[kind])
    network = read_network(tmp_path / name)
    assert_same_weights(network, tiny_network)
    assert not network.training
    picture = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(network(picture), tiny_network(picture), rtol=0, atol=0)


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_reads_what_training_and_data_parallel_leave(
    kind: str, save: Save, tiny_state: State, written: Write, tiny_network: CCNet
) -> None:
    parameters = [nn.Parameter(tensor.clone()) for tensor in tiny_state.values()]
    optimizer = torch.optim.Adam(parameters, lr=1e-4)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    training = {"model": OrderedDict(tiny_state), "optimizer": optimizer.state_dict(), "epoch": 3}
    prefixed = {f"module.{name}": tensor for name, tensor in tiny_state.items()}
    for saved in (training, {"model": prefixed}, tiny_state, tiny_network.state_dict()):
        assert_same_weights(read_network(written(save(saved, kind))), tiny_network)


def test_a_published_checkpoint_comes_back_bit_for_bit(
    published_state: Callable[[str, int], State], tmp_path: Path
) -> None:
    published = published_state("its", 7)
    first, ours, last = (tmp_path / name for name in ("a.pkl", "b.safetensors", "c.pkl"))
    torch.save({"model": published}, first)
    save_model(read_network(first), ours, {})
    save_checkpoint(read_network(ours), last)
    returned = torch.load(last, weights_only=True)
    assert returned.keys() == {"model"}
    assert returned["model"].keys() == published.keys()
    for name, tensor in returned["model"].items():
        assert torch.equal(tensor, published[name]), name


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_converts_other_precisions(
    kind: str, dtype: torch.dtype, save: Save, tiny_state: State, written: Write
) -> None:
    state = {name: tensor.to(dtype) for name, tensor in tiny_state.items()}
    network = read_network(written(save({"model": state}, kind)))
    for read, tensor in zip(network.state_dict().values(), state.values(), strict=True):
        assert torch.equal(read, tensor.float())


def test_converts_half_precision_safetensors(tiny_network: CCNet, written: Write) -> None:
    halved = {name: tensor.half() for name, tensor in tiny_network.state_dict().items()}
    network = read_network(written(safetensors.torch.save(halved)))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, halved[name].float())


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_reads_tensors_that_lie_otherwise_in_memory(
    kind: str, save: Save, tiny_state: State, written: Write, tiny_network: CCNet
) -> None:
    """Channels last, as parts of one block, and with odd strides where a side is 1."""
    block = torch.cat([tensor.flatten() for tensor in tiny_state.values()])
    parts = torch.split(block, [tensor.numel() for tensor in tiny_state.values()])
    together = {
        name: part.reshape(tensor.shape)
        for (name, tensor), part in zip(tiny_state.items(), parts, strict=True)
    }
    turned = {
        name: tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in tiny_state.items()
    }
    for state in (together, turned):
        assert_same_weights(read_network(written(save({"model": state}, kind))), tiny_network)


class CreatesFile:
    """Pickled, it asks for a shell command that leaves a file behind when read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"echo ran > {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "zip5", "legacy"])
@pytest.mark.parametrize("place", ["alone", "model", "tensor", "beside"])
def test_code_in_a_checkpoint_never_runs(
    kind: str, place: str, save: Save, tiny_state: State, written: Write, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    code = CreatesFile(trace)
    checkpoint = {
        "alone": code,
        "model": {"model": code},
        "tensor": {"model": {**tiny_state, "FAM1.merge.main.0.bias": code}},
        "beside": {"model": tiny_state, "optimizer": code},
    }[place]
    path = written(save(checkpoint, kind))
    with pytest.raises(WeightsError, match=r"weights\.pkl refers to '\w+\.system'.*nothing of it"):
        read_network(path)
    assert not trace.exists()
    if kind != "zip5":  # The trap is a real one: torch itself falls into it.
        torch.load(path, weights_only=False)
        assert trace.exists()


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_refuses_a_whole_pickled_module(
    kind: str, save: Save, tiny_network: CCNet, written: Write
) -> None:
    with pytest.raises(WeightsError, match=r"refers to 'ccnet\.network\.ccnet\.CCNet'"):
        read_network(written(save(tiny_network, kind)))


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FAM1.merge.main.0.bias": None}, "lacks the tensor 'merge_quarter.bias'"),
        ({"feat_extract.0.main.0.weight": None}, "lacks the tensor 'enter.weight'"),
        ({"extra": torch.ones(1), "more": torch.ones(1)}, "unknown tensor 'extra' and 1 more"),
        ({"SCM1.main.4.bias": torch.ones(9)}, r"norm\.bias has shape \(9,\), not \(8,\)"),
        ({"SCM1.main.4.bias": torch.ones(8).long()}, "whole numbers"),
        ({"SCM1.main.4.bias": torch.tensor([torch.nan] * 8)}, "not finite"),
        ({"SCM1.main.4.bias": torch.tensor([torch.inf] * 8)}, "not finite"),
        ({"SCM1.main.4.bias": torch.tensor([1e300] * 8).double() * 1e200}, "not finite"),
        ({"SCM1.main.4.bias": torch.ones(())}, r"shape \(\), not"),
        ({"SCM1.main.4.bias": torch.ones(0)}, r"shape \(0,\), not"),
        ({"SCM1.main.4.bias": 1.0}, "no dictionary of tensors"),
        ({7: torch.ones(1)}, "no dictionary of tensors"),
        ({"feat_extract.0.main.0.weight": torch.ones(3, 3, 3, 3)}, "width 3"),
        ({"feat_extract.0.main.0.weight": torch.ones(4000, 3, 1, 1)}, "width 4000"),
        ({"feat_extract.0.main.0.weight": torch.ones(())}, "lacks"),
    ],
)
def test_tells_what_a_state_lacks_or_has_wrong(
    kind: str,
    changes: dict[object, object],
    message: str,
    save: Save,
    tiny_state: State,
    written: Write,
) -> None:
    state: dict[object, object] = dict(tiny_state.items())
    state.update(changes)
    state = {name: value for name, value in state.items() if value is not None}
    with pytest.raises(WeightsError, match=rf"weights\.pkl .*{message}.*\.$"):
        read_network(written(save({"model": state}, kind)))


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("value", [{}, {"model": {}}, {"model": 3}, [1], "text", torch.ones(3), 1])
def test_refuses_what_holds_no_state(kind: str, value: object, save: Save, written: Write) -> None:
    with pytest.raises(WeightsError, match="no checkpoint of CCNet"):
        read_network(written(save(value, kind)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is neither a .safetensors nor a checkpoint"),
        (b"just a text file, called weights\n" * 9, "is neither"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is neither"),
        (b"PK", "damaged"),
        (b"PK\x05\x06" + bytes(18), "no checkpoint"),
        (b"\x80\x02K\x01.", "a pickle, but no checkpoint"),
        (struct.pack("<Q", 2) + b"{}", "lacks the tensor"),
        (struct.pack("<Q", 1 << 62) + b"{}", "damaged"),
        (struct.pack("<Q", 99) + b"{}", "damaged"),
    ],
)
def test_refuses_files_of_other_kinds(content: bytes, message: str, written: Write) -> None:
    with pytest.raises(WeightsError, match=message):
        read_network(written(content))


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is no file"):
        read_network(tmp_path)
    with pytest.raises(WeightsError, match=r"missing\.pkl is not there"):
        read_network(tmp_path / "missing.pkl")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_anywhere_is_refused(
    kind: str, whole_files: dict[str, bytes], written: Write
) -> None:
    content = whole_files[kind]
    lengths = {*range(1, len(content), len(content) // 40), *range(20), len(content) - 1}
    for length in lengths:
        with pytest.raises(WeightsError):
            read_network(written(content[:length]))


def read_or_error(path: Path) -> CCNet | str:
    try:
        return read_network(path)
    except WeightsError as error:
        return str(error)


@settings(max_examples=150)
@given(kind=st.sampled_from(KINDS), draw=st.data())
def test_a_changed_file_is_refused_or_still_a_network(
    kind: str,
    draw: st.DataObject,
    whole_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(whole_files[kind])
    # Half of the changes go where a format keeps what is not weights: its beginning and its end.
    places = st.integers(0, len(content) - 1) | st.integers(0, 2000) | st.integers(-2000, -1)
    for place, value in draw.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)
    ):
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(content)
    outcome = read_or_error(path)
    if isinstance(outcome, str):
        assert outcome.startswith(f"{path} ")
        assert "\n" not in outcome
    else:
        assert (outcome.width, outcome.modules_per_stage) == (2, 1)


def repacked(content: bytes, replaced: dict[str, bytes], compression: int) -> bytes:
    """Pack a checkpoint's zip file again, with other content for some entries."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(packed, "w", compression) as target,
    ):
        for name in source.namelist():
            target.writestr(name, replaced.get(name, source.read(name)))
    return packed.getvalue()


def test_does_not_unpack_a_zip_bomb(whole_files: dict[str, bytes], written: Write) -> None:
    zeros = {"archive/data/0": bytes(100 << 20)}
    bomb = repacked(whole_files["zip"], zeros, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    with pytest.raises(WeightsError, match="compressed"):
        read_network(written(bomb))


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_believes_no_storage_that_is_declared_longer_than_it_is(
    kind: str, whole_files: dict[str, bytes], written: Write
) -> None:
    content = whole_files[kind]
    # Before torch 1.6, None follows the number of values in the tuple that tells of a storage.
    end = b"tq" if kind == "zip" else b"Ntq"
    eight_values, two_thousand_million = b"K\x08" + end, b"J\xff\xff\xff\x7f" + end
    if kind == "zip":
        name = "archive/data.pkl"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pickled = archive.read(name)
        pickled = pickled.replace(eight_values, two_thousand_million, 1)
        lying = repacked(content, {name: pickled}, zipfile.ZIP_STORED)
    else:
        lying = content.replace(eight_values, two_thousand_million, 1)
    assert lying != content
    with pytest.raises(WeightsError, match=r"is damaged|is cut short"):
        read_network(written(lying))


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_reads_no_pickle_that_is_longer_than_any_checkpoint_s(
    kind: str, tiny_state: dict[str, Tensor], save: Save, written: Write
) -> None:
    long = {"model": tiny_state, "note": "x" * (2 << 20)}
    with pytest.raises(WeightsError, match=r"its pickle is longer than 2 MiB\.$"):
        read_network(written(save(long, kind)))


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_makes_no_large_network_of_a_small_file(kind: str, save: Save, written: Write) -> None:
    with torch.device("meta"):
        large = CCNet(width=1000, modules=2).state_dict()
    state = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in large.items()}
    path = written(save({"model": state}, kind))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match="more values than it has bytes"):
        read_network(path)


def test_refuses_a_newer_format(tiny_network: CCNet, written: Write) -> None:
    state = tiny_network.state_dict()
    content = safetensors.torch.save(state, {"format_version": "2"})
    with pytest.raises(WeightsError, match="of format '2', which a newer ccnet may read"):
        read_network(written(content))
