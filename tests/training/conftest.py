"""Tiny pairs on disk, and recipes that train on them in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ccnet.training.recipe import Recipe
from ccnet.training.recipe_files import load_recipe

OnPairs = Callable[..., Recipe]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight pairs in `hazy` and `clear`; hazy is half as bright."""
    folder = tmp_path_factory.mktemp("pairs")
    noise = np.random.default_rng(0).integers(0, 256, (8, 40, 48, 3), dtype=np.uint8)
    for side, divisor in (("clear", 1), ("hazy", 2)):
        (folder / side).mkdir()
        for number, pixels in enumerate(noise // divisor):
            Image.fromarray(pixels).save(folder / side / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def on_pairs(pairs: Path) -> OnPairs:
    """Makes a recipe of six steps of a tiny network on `pairs`."""

    def recipe(output: Path, *overrides: str, folder: Path = pairs) -> Recipe:
        return load_recipe("dehaze-indoor", pair_overrides(folder, output, *overrides))

    return recipe


def pair_overrides(folder: Path, output: Path, *overrides: str) -> list[str]:
    return [
        "dataset=folders",
        f"path={folder / 'hazy'}",
        f"targets={folder / 'clear'}",
        f"output={output}",
        "epochs=null",
        "steps=6",
        "network.width=2",
        "network.modules=1",
        "crop=32",
        "batch=2",
        "workers=0",
        "rate=1e-3",
        "average_decay=0.9",
        "validate_every=3",
        "validation_crop=32",
        "device=cpu",
        *overrides,
    ]


def assert_same_state(folder: Path, reference: Path, *, tolerance: float = 0) -> None:
    """Weights, their average and the optimizer's state are equal, by default to the last bit."""
    ours, expected = (
        torch.load(path / "last.ckpt", weights_only=True) for path in (folder, reference)
    )
    assert ours["global_step"] == expected["global_step"]
    for state, wanted in (
        (ours["state_dict"], expected["state_dict"]),
        (ours["optimizer_states"][0]["state"], expected["optimizer_states"][0]["state"]),
    ):
        torch.testing.assert_close(state, wanted, rtol=0, atol=tolerance)
