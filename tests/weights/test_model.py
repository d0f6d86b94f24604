"""What a file says of itself, however little, much or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import save_model
from ccnet.weights.model import INPUT_PSNR, MACHINE, PSNR, SECONDS, Model, read_model

FACTS = {
    "task": "desnow",
    "licence": "CC0-1.0",
    "description": "Clears tests.",
    "data": "two photographs",
    INPUT_PSNR: "12.345",
    PSNR: "23.450",
    SECONDS: "5.97",
    MACHINE: "an abacus",
}


def test_reads_all_that_a_file_says(tiny_network: CCNet, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_model(tiny_network, path, FACTS)
    assert read_model(path, "mine") == Model(
        name="mine",
        file=path,
        size=path.stat().st_size,
        width=2,
        modules=1,
        parameters=sum(parameter.numel() for parameter in tiny_network.parameters()),
        task="desnow",
        licence="CC0-1.0",
        description="Clears tests.",
        data="two photographs",
        input_psnr=12.345,
        psnr=23.45,
        seconds=5.97,
        machine="an abacus",
    )


def test_what_a_file_does_not_say_is_none(tiny_network: CCNet, tmp_path: Path) -> None:
    save_model(tiny_network, tmp_path / "x.safetensors", {})
    model = read_model(tmp_path / "x.safetensors", "x")
    assert (model.task, model.licence, model.data, model.psnr, model.seconds) == (None,) * 5
    assert model.width == 2


@pytest.mark.parametrize("key", [INPUT_PSNR, PSNR, SECONDS])
@pytest.mark.parametrize("value", ["", "high", "nan", "1e999", "1,5"])
def test_a_number_that_is_none_is_told(
    tiny_network: CCNet, tmp_path: Path, key: str, value: str
) -> None:
    path = tmp_path / "x.safetensors"
    save_model(tiny_network, path, FACTS | {key: value})
    with pytest.raises(WeightsError) as error:
        read_model(path, "x")
    expected = f"{path} holds no model of CCNet: its {key} is {value!r}, no finite number."
    assert str(error.value) == expected


def test_other_tensors_and_other_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    (tmp_path / "folder").mkdir()
    safetensors.torch.save_file({"x": CCNet(2, 1).enter.weight.detach()}, path)
    with pytest.raises(WeightsError, match=r"x\.safetensors holds no model of CCNet: it lacks"):
        read_model(path, "x")
    with pytest.raises(WeightsError, match=r"folder cannot be read: is a directory\.$"):
        read_model(tmp_path / "folder", "x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WeightsError, match=r"loop cannot be read: too many levels of"):
        read_model(tmp_path / "loop", "x")
    with pytest.raises(WeightsError, match=r"gone is not there\.$"):
        read_model(tmp_path / "gone", "x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    metadata=st.dictionaries(
        st.sampled_from([*FACTS, "width", "format_version"]), st.text(max_size=20)
    )
)
def test_any_text_is_a_fact_or_a_sentence(
    metadata: dict[str, str], tiny_network: CCNet, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    path.unlink(missing_ok=True)
    path.write_bytes(safetensors.torch.save(dict(tiny_network.state_dict()), metadata or None))
    told = None
    try:
        model = read_model(path, "x")
        assert (model.task, model.data) == (metadata.get("task"), metadata.get("data"))
    except WeightsError as error:
        told = str(error)
    assert told is None or told.startswith(f"{path} holds no model of CCNet: its ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_header_is_told(
    data: st.DataObject, whole_files: dict[str, bytes], written: Callable[[bytes], Path]
) -> None:
    whole = whole_files["safetensors"]
    length = 8 + int.from_bytes(whole[:8], "little")
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    path = written(bytes(broken[: data.draw(st.sampled_from([length // 2, length, len(whole)]))]))
    told = None
    try:
        read_model(path, "x")
    except WeightsError as error:
        told = str(error)
    assert told is None or str(path) in told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats()
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["__metadata__", "enter.weight", "dtype", "shape", "data_offsets"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_for_a_header_is_told(written: Callable[[bytes], Path], header: object) -> None:
    text = json.dumps(header).encode()
    path = written(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(WeightsError, match=r"weights\.pkl "):
        read_model(path, "x")
