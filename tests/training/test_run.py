"""Whole runs of a tiny network: what they leave behind, and what stops them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.utils.data import DataLoader

from ccnet.datasets.photographs import Photographs
from ccnet.datasets.seeds import DEGRADING, seeded_generator
from ccnet.errors import CCNetError, UsageError
from ccnet.machine import has_bfloat16
from ccnet.training import data, run
from ccnet.training.data import CleanPictures
from ccnet.training.recipe_files import load_recipe
from ccnet.training.schedule import learning_rate
from ccnet.weights.files import read_network
from ccnet.weights.model import read_model

from .conftest import STEPS, darken, on_call, tensors_of, tiny

SHIPPED_DEGRADATIONS = dict(data.LEARNED)

pytestmark = pytest.mark.usefixtures("quick_degradation")


def test_leaves_weights_that_load_and_say_what_they_are(whole_run: Path) -> None:
    network = read_network(whole_run / "weights.safetensors")
    assert (network.width, network.modules_per_stage) == (2, 1)
    with safe_open(whole_run / "weights.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["step"] == str(STEPS)
    assert metadata["task"] == "dehaze"
    assert 0 < float(metadata["validation/input_psnr"]) < 30
    model = read_model(whole_run / "weights.safetensors", "mine")
    assert model.data is not None
    assert re.fullmatch(r"\d+ photographs to train on, \d+ to validate, degraded .*", model.data)
    assert (model.task, model.licence, model.seconds) == ("dehaze", "MIT", None)
    assert model.psnr == float(metadata["validation/psnr"])


def test_weights_are_the_average_in_the_checkpoint(whole_run: Path) -> None:
    state = torch.load(whole_run / "last.ckpt", weights_only=True)["state_dict"]
    for name, tensor in tensors_of(whole_run / "weights.safetensors").items():
        assert torch.equal(tensor, state[f"average.{name}"])
        assert state[f"network.{name}"].shape == tensor.shape
    assert any(
        not torch.equal(state[f"network.{n[8:]}"], state[n]) for n in state if "average" in n
    )


def test_records_recipe_versions_and_curves(whole_run: Path, photos: Path) -> None:
    precision = "bf16-mixed" if has_bfloat16("cpu") else "32-true"
    recorded = load_recipe(str(whole_run / "recipe.yaml"))
    assert recorded == tiny(photos, whole_run, f"precision={precision}")
    versions = json.loads((whole_run / "versions.json").read_text())
    assert versions["versions"]["torch"] == torch.__version__
    assert (whole_run / "best.ckpt").is_file()
    curves = EventAccumulator(str(whole_run / "log")).Reload()
    for name in ("psnr", "input_psnr", "clean_psnr"):
        steps = [event.step for event in curves.Scalars(f"validation/{name}")]
        assert [step + 1 for step in steps] == [3, 6]
    last = {}
    for name in ("total", "content", "frequency", "rate"):
        ((last[name], step),) = [(e.value, e.step) for e in curves.Scalars(f"train/{name}")]
        assert step + 1 == STEPS
    assert last["total"] == pytest.approx(last["content"] + 0.1 * last["frequency"], rel=1e-5)


@pytest.mark.parametrize(("has", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_mixed_precision_is_left_where_it_would_be_emulated(
    has: bool, precision: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "has_bfloat16", lambda device: has and device == "cpu")
    run.train_recipe(tiny(photos, tmp_path, "steps=1"))
    assert load_recipe(str(tmp_path / "recipe.yaml")).precision == precision


def test_each_step_has_a_random_stream_of_its_own(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def watched(clean: Tensor, generator: torch.Generator) -> Tensor:
        seeds.append((len(clean), generator.initial_seed()))
        return darken(clean, generator)

    monkeypatch.setitem(data.LEARNED, "dehaze", watched)
    run.train_recipe(tiny(photos, tmp_path, "seed=3", "steps=2"))
    run.train_recipe(tiny(photos, tmp_path, "seed=3", "steps=4"), resume=True)
    generators = [seeded_generator(3, stream=DEGRADING, index=step) for step in range(4)]
    expected = [generator.initial_seed() for generator in generators]
    assert [seed for length, seed in seeds if length == 2] == expected


def test_learns_and_never_sees_the_validation_photograph(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(clean: Tensor, generator: torch.Generator) -> Tensor:
        red, _, blue = clean.mean((0, 2, 3)).tolist()
        seen.append((len(clean), "blue" if blue > red else "red"))
        return darken(clean, generator)

    monkeypatch.setitem(data.LEARNED, "dehaze", watched)
    recipe = tiny(photos, tmp_path, "steps=30", "validate_every=30", "average_decay=0.5")
    run.train_recipe(recipe)
    assert set(seen) == {(1, "red"), (2, "blue")}
    assert seen.count((2, "blue")) == 30
    curves = EventAccumulator(str(tmp_path / "log")).Reload()
    scores = {n: curves.Scalars(f"validation/{n}")[-1].value for n in ("psnr", "input_psnr")}
    assert scores["psnr"] > scores["input_psnr"] + 1


@pytest.mark.usefixtures("steps_of_six_seconds")
def test_stops_at_the_time_limit_with_weights(photos: Path, tmp_path: Path) -> None:
    weights = run.train_recipe(tiny(photos, tmp_path, "steps=100000", "minutes=0.5"))
    with safe_open(weights, "pt") as file:
        assert file.metadata()["step"] == "5"
    curves = EventAccumulator(str(tmp_path / "log")).Reload()
    last = learning_rate(4, steps=100_000, warmup=2, peak=1e-3, time_spent=24 / 30)
    assert curves.Scalars("train/rate")[-1].value == pytest.approx(last)


def test_learns_to_undo_what_the_task_says(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(data.LEARNED, "dehaze", SHIPPED_DEGRADATIONS["dehaze"])
    weights = run.train_recipe(tiny(photos, tmp_path, "steps=1"))
    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
    assert metadata["step"] == "1"
    assert 3 < float(metadata["validation/input_psnr"]) < 40, "validated on hazy pictures"


@pytest.mark.parametrize("validate_every", [2, 100])
def test_loss_that_is_not_finite_stops_with_the_step_and_its_pictures(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validate_every: int
) -> None:
    monkeypatch.setitem(data.LEARNED, "dehaze", on_call(2, lambda x: x * float("nan")))
    with pytest.raises(
        CCNetError, match=r"not finite at step 2, which saw (a|b|a\.png, b)\.png; look"
    ):
        run.train_recipe(tiny(photos, tmp_path, f"validate_every={validate_every}"))
    assert not (tmp_path / "last.ckpt").exists()
    assert not (tmp_path / "weights.safetensors").exists()


def test_refuses_to_overwrite_or_to_resume_what_is_not_there(
    whole_run: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--resume"):
        run.train_recipe(tiny(photos, whole_run))
    with pytest.raises(UsageError, match="without --resume"):
        run.train_recipe(tiny(photos, tmp_path), resume=True)
    record = (whole_run / "recipe.yaml").read_text()
    for change, message in (
        ("network.width=4", "network=.*width=2"),
        ("task=desnow", "task=dehaze"),
        ("long_side=64", "long_side=704"),
        ("reduction=1.5", r"reduction=1\.0"),
        ("held_out=0.1", r"held_out=0\.05"),
    ):
        with pytest.raises(UsageError, match=f"holds a run with {message}.*; resume with the same"):
            run.train_recipe(tiny(photos, whole_run, change), resume=True)
    assert (whole_run / "recipe.yaml").read_text() == record


@pytest.mark.parametrize("name", ["file", "file/run", "x" * 300, "\0"])
def test_an_output_that_cannot_be_is_found_before_photographs_are_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(Photographs, "read")
    (tmp_path / "file").write_text("mine")
    recipe = dataclasses.replace(tiny(photos, tmp_path), output=tmp_path / name)
    with pytest.raises(UsageError, match=r"output=.* cannot be made a folder"):
        run.train_recipe(recipe)
    with pytest.raises(UsageError, match="without --resume"):
        run.train_recipe(recipe, resume=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_output_that_tensorboard_cannot_name_is_refused(photos: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(tiny(photos, tmp_path), output=tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UsageError, match=r"output=.* is not UTF-8; name another"):
        run.train_recipe(recipe)
    assert not list(tmp_path.iterdir())


def test_a_record_that_cannot_be_written_leaves_the_old_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text("mine")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match=r"recipe\.yaml cannot be written: no space left"):
        run.train_recipe(tiny(photos, tmp_path))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("recipe.yaml", "mine")
    ]


def test_validation_is_on_the_same_pictures_in_every_run(photos: Path) -> None:
    paths = sorted(photos.glob("*.png"))
    pictures = CleanPictures(paths, paths, darken)
    recipe = tiny(photos, photos)
    first, again = (
        DataLoader(pictures.validation_pairs(recipe), batch_size=None) for _ in range(2)
    )
    for (degraded, clean), (same, _) in zip(first, again, strict=True):
        assert degraded.shape == clean.shape == (3, 32, 32)
        assert torch.equal(degraded, same)
    ratios = {round((degraded / clean).mean().item(), 4) for degraded, clean in first}
    assert len(ratios) == 3


def test_what_chance_leaves_clean_is_degraded_once_more_for_validation(photos: Path) -> None:
    draws = []

    def at_second(clean: Tensor, generator: torch.Generator) -> Tensor:
        draws.append(generator.initial_seed())
        return darken(clean, generator) if len(draws) % 2 == 0 else clean

    paths = sorted(photos.glob("*.png"))
    pairs = CleanPictures(paths, paths, at_second).validation_pairs(tiny(photos, photos))
    for degraded, clean in DataLoader(pairs):
        assert not torch.equal(degraded, clean)
    assert len(set(draws)) == len(draws) == 2 * len(paths)
