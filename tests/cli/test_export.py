from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

import ccnet
from ccnet.cli.export import export
from ccnet.errors import ExportError, WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import save_model


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_model(CCNet(width=4, modules=1), path, {"task": "dehaze", "licence": "MIT"})
    return path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_writes_a_model_that_says_what_it_is(weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.onnx"
    result = run(weights, "--format", "onnx", "-o", target)
    assert (result.exit_code, result.stdout) == (0, f"{target}\n")
    model = onnx.load(target)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "name": "mine",
        "task": "dehaze",
        "licence": "MIT",
        "ccnet_version": ccnet.__version__,
    }
    assert [tensor.name for tensor in model.graph.input] == ["pictures"]
    assert isinstance(run(weights, "--format", "onnx", "-o", target).exception, ExportError)
    result = run(weights, "--format", "onnx", "-o", target, "--averages", "--overwrite")
    assert result.exit_code == 0
    model = onnx.load(target)
    assert [tensor.name for tensor in model.graph.input] == ["pictures", "averages", "core"]
    assert [tensor.name for tensor in model.graph.output] == ["restored", "measured"]


def test_writes_both_files_of_openvino(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    odd = weights.rename(tmp_path / "caf\udce9.safetensors")
    result = run(odd, "--format", "openvino", "-o", folder / "mine.xml")
    assert (result.exit_code, result.stdout) == (0, f"{folder / 'mine.xml'}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["mine.bin", "mine.xml"]
    assert r"caf\udce9" in (folder / "mine.xml").read_text()


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "no.safetensors", "--format", "onnx", "-o", tmp_path / "a.onnx")
    assert isinstance(result.exception, WeightsError)
    assert "no.safetensors" in str(result.exception)
