from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner, Result

from ccnet.cli.convert import convert
from ccnet.errors import UsageError, WeightsError
from ccnet.evaluation import cost
from ccnet.machine import describe_processor
from ccnet.network import CCNet
from ccnet.weights.files import read_metadata, read_network, save_checkpoint
from ccnet.weights.model import read_model
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


def test_notes_what_a_listing_needs(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "cpu_seconds_per_megapixel", lambda _: 12.3456)
    target = tmp_path / "model.safetensors"
    told = ["--licence", "MIT", "--description", "Clears.", "--data", "photographs", "--measure"]
    assert run(checkpoint, "-o", target, *told, "--psnr", 12, 34.5678).exit_code == 0
    model = read_model(target, "model")
    assert (model.licence, model.description, model.data) == ("MIT", "Clears.", "photographs")
    assert (model.input_psnr, model.psnr, model.seconds) == (12, 34.568, 12.35)
    assert model.machine == describe_processor()
    run(target, "-o", target, "--overwrite", "--data", "more photographs")
    assert read_model(target, "model") == replace(
        model, data="more photographs", size=target.stat().st_size
    )


def test_half_the_bytes_hold_nearly_the_same(checkpoint: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    run(checkpoint, "-o", whole)
    assert run(whole, "-o", half, "--half").exit_code == 0
    saved = whole.stat().st_size - half.stat().st_size
    count = sum(weights.numel() for weights in tensors(whole).values())
    assert saved == pytest.approx(2 * count, rel=0.05)  # the rest is digits in the header
    for (name, first), second in zip(
        tensors(whole).items(),
        tensors(half).values(),
        strict=True,
    ):
        assert second.dtype is torch.float32
        torch.testing.assert_close(second, first, rtol=2**-11, atol=2**-25, msg=name)


@pytest.mark.parametrize("note", [["--data", "photographs"], ["--measure"], ["--half"]])
def test_a_checkpoint_can_hold_no_notes(checkpoint: Path, tmp_path: Path, note: list[str]) -> None:
    result = run(checkpoint, "-o", tmp_path / "other.pkl", *note)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "other.pkl").exists()


@pytest.mark.parametrize(
    "note", [["--psnr", "12", "nan"], ["--psnr", "12", "inf"], ["--licence", "\udce9"]]
)
def test_a_note_that_makes_no_sense_is_told(
    checkpoint: Path, tmp_path: Path, note: list[str]
) -> None:
    result = run(checkpoint, "-o", tmp_path / "x.safetensors", *note)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "x.safetensors").exists()


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
