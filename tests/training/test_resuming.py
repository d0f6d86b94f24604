"""Stopping a run of a tiny network, and going on with it."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from ccnet.training import data, module, run
from ccnet.training.callbacks import InterruptedTrainingError

from .conftest import STEPS, assert_same_state, on_call, tensors_of, tiny

SHIPPED_DEGRADATIONS = dict(data.LEARNED)

pytestmark = pytest.mark.usefixtures("quick_degradation")


@pytest.mark.parametrize(
    ("step", "number"),
    [(1, signal.SIGINT), (3, signal.SIGINT), (4, signal.SIGINT), (4, signal.SIGTERM)],
)
def test_stopped_and_resumed_is_bit_for_bit_the_whole_run(
    whole_run: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    number: signal.Signals,
) -> None:
    def send(degraded: Tensor) -> Tensor:
        os.kill(os.getpid(), number)
        return degraded

    handler = signal.getsignal(number)
    monkeypatch.setitem(data.LEARNED, "dehaze", on_call(step, send))
    with pytest.raises(InterruptedTrainingError, match=f"after step {step};.*--resume"):
        run.train_recipe(tiny(photos, tmp_path / "run"))
    assert signal.getsignal(number) == handler

    torch.rand(11)  # where the process's own random stream stands must not matter
    run.train_recipe(tiny(photos, tmp_path / "run"), resume=True)
    assert_same_run(tmp_path / "run", whole_run)


def assert_same_run(folder: Path, reference: Path) -> None:
    """States, weights and the scores of every validation are equal to the last bit."""
    assert_same_state(folder, reference)
    ours, expected = (tensors_of(f / "weights.safetensors") for f in (folder, reference))
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    scores = [
        [(event.step, event.value) for event in curves.Scalars("validation/psnr")]
        for curves in (EventAccumulator(str(f / "log")).Reload() for f in (folder, reference))
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("passes", [1, 2])
def test_a_run_that_is_asked_to_stop_in_its_last_step_reaches_its_end(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    def send(degraded: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return degraded

    overrides = (f"batch={2 * passes}", f"accumulate={passes}", "validate_every=100")
    monkeypatch.setitem(data.LEARNED, "dehaze", on_call(STEPS * passes, send))
    weights = run.train_recipe(tiny(photos, tmp_path / "run", *overrides))
    with safe_open(weights, "pt") as file:
        assert file.metadata()["step"] == str(STEPS)
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == STEPS


@pytest.mark.parametrize("number", [1, 2])
def test_a_stop_while_validating_keeps_that_validation_and_the_best_weights(
    whole_run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    validate = module.RestorationModule.validation_step
    calls = iter(range(1, 100))

    def send(*arguments: Any) -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        validate(*arguments)

    monkeypatch.setattr(module.RestorationModule, "validation_step", send)
    with suppress(InterruptedTrainingError):
        run.train_recipe(tiny(photos, tmp_path / "run"))
    reached = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"]
    assert reached == 3 * number
    run.train_recipe(tiny(photos, tmp_path / "run"), resume=True)
    assert_same_run(tmp_path / "run", whole_run)
    best, expected = (
        torch.load(folder / "best.ckpt", weights_only=True)["global_step"]
        for folder in (tmp_path / "run", whole_run)
    )
    assert best == expected


def test_a_finished_run_can_be_taken_further(photos: Path, tmp_path: Path) -> None:
    run.train_recipe(tiny(photos, tmp_path / "run", "steps=3"))
    before = tensors_of(tmp_path / "run" / "weights.safetensors")
    run.train_recipe(tiny(photos, tmp_path / "run", "steps=3"), resume=True)
    after = tensors_of(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    run.train_recipe(tiny(photos, tmp_path / "run", "steps=5"), resume=True)
    with safe_open(tmp_path / "run" / "weights.safetensors", "pt") as file:
        assert file.metadata()["step"] == "5"


def test_says_which_values_a_run_is_resumed_with_in_place_of_others(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    moved, output = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(photos, moved)
    run.train_recipe(tiny(photos, output, "steps=1"))
    capfd.readouterr()
    run.train_recipe(tiny(photos, output, "steps=1"), resume=True)
    assert "Resuming with" not in capfd.readouterr().err
    run.train_recipe(tiny(moved, output, "steps=1", "rate=5e-4"), resume=True)
    expected = f"Resuming with photos={moved} (was {photos}), rate=0.0005 (was 0.001).\n"
    assert expected in capfd.readouterr().err


@pytest.mark.usefixtures("steps_of_six_seconds")
def test_the_time_limit_is_of_all_parts_of_a_run(photos: Path, tmp_path: Path) -> None:
    run.train_recipe(tiny(photos, tmp_path, "steps=3", "minutes=0.5"))
    weights = run.train_recipe(tiny(photos, tmp_path, "steps=100", "minutes=0.5"), resume=True)
    with safe_open(weights, "pt") as file:
        assert file.metadata()["step"] == "5"
