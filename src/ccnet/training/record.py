"""What is kept beside a run so that it can be understood and repeated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ccnet.errors import UsageError
from ccnet.machine import describe_machine, list_versions
from ccnet.placing import place_file
from ccnet.training.recipe import Recipe
from ccnet.training.recipe_files import recipe_text


def record_run(recipe: Recipe, device: str) -> None:
    """Write `recipe.yaml`, resolved, and `versions.json` into the recipe's output folder.

    Makes the folder; raises `UsageError` where it cannot be made or written to, and for a name that
    is not UTF-8, which TensorBoard cannot write to.
    """
    try:
        str(recipe.output).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"output={recipe.output} is not UTF-8; name another folder with output=."
        ) from error
    try:
        recipe.output.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise UsageError(
            f"output={recipe.output} cannot be made a folder; name another with output=."
        ) from error
    facts = {
        "command": sys.argv,
        "git": _git_revision(),
        "versions": list_versions(),
        "device": describe_machine(device),
    }
    for name, text in (
        ("recipe.yaml", recipe_text(recipe)),
        ("versions.json", json.dumps(facts, indent=1) + "\n"),
    ):
        place_file(text.encode(), recipe.output / name, error=UsageError, overwrite=True)


def _git_revision() -> str | None:
    """The source's revision, "-dirty" when changed since; None outside its own repository."""
    # Installed into a folder of someone's repository, it would be told that one's revision.
    if _asked_of_git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _asked_of_git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _asked_of_git(*arguments: str) -> str | None:
    """What git answers where this file is; None where it fails or is not installed."""
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
