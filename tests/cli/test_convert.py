from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner, Result

from ccnet.cli.convert import convert
from ccnet.errors import UsageError, WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import read_metadata, read_network, save_checkpoint
from ccnet.weights.published import from_published


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "model.pkl"
    save_checkpoint(CCNet(width=2, modules=1), path)
    return path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(convert)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tensors(path: Path) -> dict[str, Tensor]:
    return read_network(path).state_dict()


def test_converts_a_published_checkpoint_and_back(checkpoint: Path, tmp_path: Path) -> None:
    ours, back = tmp_path / "model.safetensors", tmp_path / "back.pth"
    result = run(checkpoint, "-o", ours, "--task", "dehaze")
    assert (result.exit_code, result.stdout) == (0, f"{ours}\n")
    assert read_metadata(ours)["task"] == "dehaze"
    assert run(ours, "-o", back).exit_code == 0
    published = torch.load(back, weights_only=True)["model"]
    original = torch.load(checkpoint, weights_only=True)["model"]
    assert published.keys() == original.keys()
    assert all(torch.equal(published[name], original[name]) for name in original)
    assert from_published(original).keys() == tensors(ours).keys()


def test_keeps_what_a_safetensors_says_of_itself(checkpoint: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{n}.safetensors" for n in range(3))
    run(checkpoint, "-o", first, "--task", "desnow")
    run(first, "-o", second)
    run(first, "-o", third, "--task", "deblur")
    assert read_metadata(second)["task"] == "desnow"
    assert read_metadata(third)["task"] == "deblur"


def test_overwrites_only_when_told(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    target.write_text("mine")
    result = run(checkpoint, "-o", target)
    assert isinstance(result.exception, WeightsError)
    assert target.read_text() == "mine"
    assert run(checkpoint, "-o", target, "--overwrite").exit_code == 0
    assert tensors(target).keys() == tensors(checkpoint).keys()


def test_can_replace_its_own_input(checkpoint: Path) -> None:
    before = tensors(checkpoint)
    assert run(checkpoint, "-o", checkpoint, "--overwrite").exit_code == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(checkpoint).items())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["model.pkl", "-o", "model.onnx"], UsageError),
        (["missing.pkl", "-o", "model.safetensors"], WeightsError),
        (["no-such-model", "-o", "model.safetensors"], WeightsError),
    ],
)
def test_tells_of_what_cannot_be_converted(
    arguments: list[str],
    error: type[Exception],
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert list(Path().iterdir()) == [Path(checkpoint.name)]


def test_an_unknown_task_is_wrong_usage(checkpoint: Path) -> None:
    assert run(checkpoint, "-o", "x.safetensors", "--task", "colour").exit_code == 2
