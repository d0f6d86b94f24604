"""Tiny photographs and pairs on disk, and recipes that train on them in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ccnet.degradation.variety import Degrade
from ccnet.training import data, module
from ccnet.training.recipe import Recipe
from ccnet.training.recipe_files import load_recipe
from ccnet.training.run import train_recipe
from ccnet.weights.files import read_network

OnPairs = Callable[..., Recipe]

STEPS = 6


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


def darken(clean: Tensor, generator: torch.Generator) -> Tensor:
    """A degradation that is random, quick to make and easy to undo."""
    return clean * (0.4 + 0.4 * torch.rand(len(clean), 1, 1, 1, generator=generator))


@pytest.fixture
def quick_degradation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `darken` in place of haze."""
    monkeypatch.setitem(data.LEARNED, "dehaze", darken)


@pytest.fixture
def steps_of_six_seconds(monkeypatch: pytest.MonkeyPatch, quick_degradation: None) -> None:  # noqa: ARG001
    """Have a clock that a training batch of two moves on, and nothing else."""
    seconds = 0.0

    def take_six_seconds(clean: Tensor, generator: torch.Generator) -> Tensor:
        nonlocal seconds
        seconds += 6.0 if len(clean) == 2 else 0.0
        return darken(clean, generator)

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds))
    monkeypatch.setitem(data.LEARNED, "dehaze", take_six_seconds)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs, blue ones to train on and a red one to validate."""
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0).integers(0, 100, (3, 48, 56, 3), dtype=np.uint8)
    for name, pixels, channel in zip(("a", "b", "held-out"), noise, (2, 2, 0), strict=True):
        pixels[:, :, channel] += 150
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "VAL.txt").write_text("held-out.png\n")
    return folder


def tiny(photos: Path, output: Path, *overrides: str) -> Recipe:
    """A recipe of `STEPS` steps of a tiny network on `photos`."""
    return load_recipe(
        "dehaze-small",
        [
            f"photos={photos}",
            f"output={output}",
            f"steps={STEPS}",
            "network.width=2",
            "network.modules=1",
            "crop=32",
            "batch=2",
            "validate_every=3",
            "validation_crop=32",
            "warmup=2",
            "compile=false",
            *overrides,
        ],
    )


def tensors_of(path: Path) -> dict[str, Tensor]:
    return dict(read_network(path).state_dict())


def on_call(number: int, act: Callable[[Tensor], Tensor]) -> Degrade:
    """`darken` whose training batches are counted, and `act` applied to the given one."""
    calls = iter(range(1, 10_000))

    def degrade(clean: Tensor, generator: torch.Generator) -> Tensor:
        degraded = darken(clean, generator)
        is_training = len(clean) == 2
        return act(degraded) if is_training and next(calls) == number else degraded

    return degrade


@pytest.fixture(scope="module")
def whole_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.LEARNED, "dehaze", darken)
        assert train_recipe(tiny(photos, output)) == output / "weights.safetensors"
    return output
