"""Going on with a run: from which checkpoint, and whether the recipe is still the same."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from ccnet.errors import UsageError
from ccnet.training.recipe import Recipe
from ccnet.training.recipe_files import load_recipe

SAME = (
    *("network", "accumulate", "batch", "crop", "seed"),
    *("task", "dataset", "held_out", "long_side", "reduction"),
)
"""Keys that say what a step's samples are: a run cannot go on with others.

The folders that hold the pictures are not among these, for they may have been moved.
"""


def recorded_recipe(recipe: Recipe) -> Recipe:
    """Read the recipe that the run in `recipe.output` was last started with."""
    return load_recipe(str(recipe.output / "recipe.yaml"))


def checkpoint_to_resume(recipe: Recipe) -> Path:
    """Find the run's last checkpoint; raises `UsageError` where it has none, or other samples."""
    last = recipe.output / "last.ckpt"
    # Path.is_file would raise where the folder's name is too long or the folder is closed to us.
    if not os.path.isfile(last):  # noqa: PTH113
        raise UsageError(f"{last} is not there to resume from; train without --resume.")
    started = recorded_recipe(recipe)
    for key in SAME:
        if key == "network" and recipe.network is None:  # it is that of `start`
            continue
        if (before := getattr(started, key)) != getattr(recipe, key):
            raise UsageError(
                f"{recipe.output} holds a run with {key}={before}; resume with the same or name "
                "another output=."
            )
    return last


def changes(started: Recipe, recipe: Recipe) -> str:
    """Name the values of `recipe` that `started` had otherwise; empty where there are none.

    `output` is not among them: it is where the run was found.
    """
    names = [field.name for field in dataclasses.fields(Recipe) if field.name != "output"]
    return ", ".join(
        f"{name}={now} (was {before})"
        for name in names
        if (now := getattr(recipe, name)) != (before := getattr(started, name))
    )
