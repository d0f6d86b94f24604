"""What `ccnet train` hands on to the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ccnet.cli.train import train
from ccnet.errors import UsageError
from ccnet.training import run
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


def test_mistyped_key_is_refused() -> None:
    result = CliRunner().invoke(APP, ["dehaze-small", "photo=here"])
    assert isinstance(result.exception, UsageError)
    assert "did you mean photos" in str(result.exception)
