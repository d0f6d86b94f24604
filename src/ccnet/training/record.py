"""What is kept beside a run so that it can be understood and repeated."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from ccnet.training.recipe import Recipe, recipe_text

PACKAGES = ("ccnet-restore", "torch", "lightning", "torchmetrics", "numpy", "pyvips")


def record_run(recipe: Recipe) -> None:
    """Write `recipe.yaml`, resolved, and `versions.json` into the recipe's output folder."""
    recipe.output.mkdir(parents=True, exist_ok=True)
    (recipe.output / "recipe.yaml").write_text(recipe_text(recipe), "utf-8")
    facts = {
        "command": sys.argv,
        "git": _git_revision(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
    }
    (recipe.output / "versions.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """The source's revision, "-dirty" when changed since; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
