"""What `ccnet train` hands on to the run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ccnet.cli import main
from ccnet.cli.train import train
from ccnet.errors import UsageError
from ccnet.training import run
from ccnet.training.callbacks import InterruptedTrainingError
from ccnet.training.recipe import NetworkRecipe, Recipe

APP = typer.Typer()
APP.command()(train)


def test_recipe_with_values_laid_over_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Recipe, bool]] = []

    def train_recipe(recipe: Recipe, *, resume: bool) -> Path:
        asked.append((recipe, resume))
        return Path("weights.safetensors")

    monkeypatch.setattr(run, "train_recipe", train_recipe)
    arguments = ["dehaze-small", "photos=here", "network.width=8", "--resume", "steps=5"]
    result = CliRunner().invoke(APP, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == "weights.safetensors\n"
    ((recipe, resume),) = asked
    assert resume
    assert (recipe.name, recipe.photos, recipe.steps) == ("dehaze-small", Path("here"), 5)
    assert recipe.network == NetworkRecipe(8, 2)


def test_of_several_processes_that_stop_the_first_alone_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def train_recipe(*_: object, **__: object) -> Path:
        raise InterruptedTrainingError("Stopped after step 3.")

    def end(code: int) -> None:
        raise SystemExit(f"ended with {code}")

    monkeypatch.setattr(run, "train_recipe", train_recipe)
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(sys, "argv", ["ccnet", "train", "dehaze-small", "photos=here"])
    for rank, ended in (("0", 130), ("1", "ended with 130")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(SystemExit) as caught:
            main.run()
        assert caught.value.code == ended
        assert capfd.readouterr().err == ("" if rank == "1" else "ccnet: Stopped after step 3.\n")


def test_mistyped_key_is_refused() -> None:
    result = CliRunner().invoke(APP, ["dehaze-small", "photo=here"])
    assert isinstance(result.exception, UsageError)
    assert "did you mean photos" in str(result.exception)
