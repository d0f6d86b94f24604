from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from ccnet.errors import WeightsError
from ccnet.weights.onnx_files import read_onnx, read_weights, seal
from ccnet.weights.registry import MODELS

SHIPPED = MODELS / "dehaze-small.onnx"


def test_a_sealed_file_is_still_onnx_and_takes_the_weights_beside_it() -> None:
    model = onnx.load(SHIPPED)
    assert model.metadata_props[-1].key == "ccnet_1_beside"
    assert len(model.metadata_props[-1].value) == 64
    whole = onnx.ModelProto.FromString(read_onnx(SHIPPED).model)
    onnx.checker.check_model(whole, full_check=True)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    weights = load_file(SHIPPED.with_suffix(".safetensors"))
    assert len(held) == len(model.graph.initializer) + len(weights)
    for name, values in weights.items():
        assert held[name].dtype == values.dtype
        np.testing.assert_array_equal(held[name], values)


def test_reads_what_it_sealed(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(seal(b"anything"))
    assert read_onnx(path).checksum == hashlib.sha256(b"anything").hexdigest()
    assert read_onnx(path) == (path.read_bytes(), b"")
    assert read_onnx(path).model == path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tensors=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200),
        arrays.arrays(
            st.sampled_from([np.float32, np.float16]),
            arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=200).filter(
                lambda shape: np.prod(shape) < 2000
            ),
        ),
        max_size=5,
    )
)
def test_weights_are_spelled_as_onnx_reads_them(
    tmp_path: Path, tensors: dict[str, np.ndarray]
) -> None:
    tensors.pop("__metadata__", None)
    save_file(tensors, tmp_path / "a.safetensors")
    model = onnx.ModelProto.FromString(read_weights(tmp_path / "a.safetensors"))
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert held.keys() == tensors.keys()
    for name, values in tensors.items():
        assert held[name].dtype == values.dtype
        np.testing.assert_array_equal(held[name], values)


def test_other_weights_beside_it_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(SHIPPED.read_bytes())
    beside = path.with_suffix(".safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors is missing, damaged or no"):
        read_onnx(path)
    weights = load_file(SHIPPED.with_suffix(".safetensors"))
    save_file(weights, beside, {"licence": "told anew"})
    assert read_onnx(path) == read_onnx(SHIPPED)
    weights["enter.bias"] = weights["enter.bias"] + np.float16(1)
    save_file(weights, beside)
    with pytest.raises(
        WeightsError, match=r"a\.onnx is damaged: .*, or .*a\.safetensors is not the"
    ):
        read_onnx(path)
    beside.write_bytes(SHIPPED.with_suffix(".safetensors").read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"a\.safetensors is missing, damaged or no"):
        read_onnx(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e5m2])
def test_weights_in_other_numbers_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(3, dtype=dtype)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors is missing, damaged or no"):
        read_weights(tmp_path / "a.safetensors")


def test_a_file_of_someone_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    first, last = (onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "ab")
    graph = onnx.helper.make_graph([node], "other", [first], [last])
    onnx.save(onnx.helper.make_model(graph), path)
    with pytest.raises(WeightsError, match=r"other\.onnx is cut short, or was not written by"):
        read_onnx(path)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "damaged.onnx"
    shutil.copy(SHIPPED.with_suffix(".safetensors"), path.with_suffix(".safetensors"))
    content = bytearray(SHIPPED.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged\.onnx is (damaged|cut short)"):
        read_onnx(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path, "is no file"),
        (tmp_path / "none.onnx", "is not there"),
        (tmp_path / "a\0.onnx", "cannot be read|is not there"),
    ):
        with pytest.raises(WeightsError, match=words):
            read_onnx(path)
