from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccnet.errors import WeightsError
from ccnet.weights.onnx_files import read_onnx, seal
from ccnet.weights.registry import MODELS

SHIPPED = MODELS / "dehaze-small.onnx"


def test_a_sealed_file_is_still_onnx() -> None:
    model = onnx.load(SHIPPED)
    onnx.checker.check_model(model)
    assert model.metadata_props[-1].key == "ccnet_1_sha256"
    assert len(model.metadata_props[-1].value) == 64


def test_reads_what_it_sealed(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(seal(b"anything"))
    assert read_onnx(path) == path.read_bytes()


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
