"""`ccnet train`: train a model from a recipe."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name or a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Values laid over the recipe's."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in output.")
    ] = False,
) -> None:
    """Train a model: ccnet train quickstart, or dehaze-small photos=FOLDER minutes=60.

    FOLDER holds clean photographs and VAL.txt, which names those to validate on. With dataset=
    and path= it is pairs that are trained on (ccnet data list). Ctrl-C saves a checkpoint and
    stops. docs/training.md has every key.
    """
    from ccnet.training.recipe_files import load_recipe

    resolved = load_recipe(recipe, overrides or ())
    # Torch and Lightning take seconds to import: too long to hear of a mistyped key.
    from ccnet.training.callbacks import InterruptedTrainingError
    from ccnet.training.processes import rank
    from ccnet.training.run import train_recipe

    try:
        weights = train_recipe(resolved, resume=resume)
    except InterruptedTrainingError as error:
        if rank() > 0:  # the first process says it for all; an exit with 130 would be told
            os._exit(error.exit_code)
        raise
    if rank() == 0:
        typer.echo(os.fsencode(weights))
