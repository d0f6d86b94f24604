"""Run a recipe: build everything, train, and leave weights, checkpoints and a log behind."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch.utils.data import DataLoader, TensorDataset

from ccnet.datasets import CropBatches, Photographs, split_photographs
from ccnet.datasets.crops import seeded_generator
from ccnet.degradation.haze import add_haze
from ccnet.errors import UsageError
from ccnet.network import CCNet
from ccnet.training.callbacks import CheckpointOnSignal, ProgressLines, WeightsExport, write_whole
from ccnet.training.module import Degradation, RestorationModule
from ccnet.training.recipe import Recipe, recipe_text

DEGRADATIONS: dict[str, Degradation] = {"dehaze": add_haze}
VALIDATION_SEED = 20241217


def train_recipe(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train as `recipe` says and return the path of the averaged weights (safetensors).

    In `recipe.output` stand afterwards the weights, `last.ckpt` and `best.ckpt` (highest
    validation PSNR), the resolved recipe, the versions it ran with, and a TensorBoard log. With
    `resume` the run goes on from `last.ckpt`. Raises `UsageError` where there is nothing to resume
    or something that would be overwritten, `Interrupted` after Ctrl-C or SIGTERM, and
    `CCNetError` when the loss is not finite.
    """
    checkpoint = _checkpoint_to_resume(recipe.output, resume)
    if recipe.task not in DEGRADATIONS:
        raise UsageError(f"task={recipe.task} is none of {', '.join(DEGRADATIONS)}; name one.")
    paths = split_photographs(recipe.photos)
    console = Console(stderr=True)
    weights = recipe.output / "weights.safetensors"

    lightning.seed_everything(recipe.seed, verbose=False)
    trainer = make_trainer(recipe, weights, console)
    training = Photographs.read(
        paths[0], long_side=recipe.long_side, device=trainer.strategy.root_device
    )
    validation = Photographs.read(paths[1], long_side=recipe.long_side)
    module = RestorationModule(
        CCNet(width=recipe.network.width, modules=recipe.network.modules),
        DEGRADATIONS[recipe.task],
        steps=recipe.steps,
        minutes=recipe.minutes,
        peak_rate=recipe.rate,
        warmup=recipe.warmup,
        average_decay=recipe.average_decay,
        compile_network=recipe.compile,
        seed=recipe.seed,
    )
    record_run(recipe)
    console.print(
        f"{recipe.name}: {len(training)} photographs to train on, {len(validation)} to validate, "
        f"results in {recipe.output}",
        highlight=False,
        soft_wrap=True,
    )
    trainer.fit(
        module,
        CropBatches(
            training,
            length=recipe.steps,
            batch=recipe.batch,
            crop=recipe.crop,
            seed=recipe.seed,
            rank=trainer.global_rank,
        ),
        validation_pairs(validation, DEGRADATIONS[recipe.task], recipe.validation_crop),
        ckpt_path=checkpoint,
    )
    return weights


def _checkpoint_to_resume(output: Path, resume: bool) -> Path | None:
    last = output / "last.ckpt"
    if resume and not last.is_file():
        raise UsageError(f"{last} is not there to resume from; train without --resume.")
    if not resume and last.is_file():
        raise UsageError(
            f"{output} holds a run; go on with --resume or name another folder with output=."
        )
    return last if resume else None


def make_trainer(recipe: Recipe, weights: Path, console: Console) -> lightning.Trainer:
    """Set up Lightning's Trainer with the callbacks of a run."""
    metadata = {
        "name": recipe.name,
        "task": recipe.task,
        "width": str(recipe.network.width),
        "modules": str(recipe.network.modules),
    }
    checkpoints = ModelCheckpoint(
        recipe.output,
        filename="best",
        monitor="validation/psnr",
        mode="max",
        save_last=True,
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )
    progress: Callback = ProgressLines(console, every=50)
    if console.is_terminal:
        progress = RichProgressBar()
    return lightning.Trainer(
        max_steps=recipe.steps,
        max_epochs=1,
        devices=1,
        precision=recipe.precision,  # type: ignore[arg-type]
        gradient_clip_val=recipe.clip,
        val_check_interval=recipe.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=TensorBoardLogger(recipe.output, name="", version="log"),
        callbacks=[
            WeightsExport(weights, metadata),
            checkpoints,
            CheckpointOnSignal(recipe.output / "last.ckpt"),
            progress,
        ],
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
    )


def validation_pairs(
    photographs: Photographs, degrade: Degradation, crop: int
) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Degrade each photograph's centre with a seed of its own, the same in every run."""
    clean = photographs.centre_crops(crop)
    degraded = [
        degrade(picture[None], seeded_generator(VALIDATION_SEED, index))
        for index, picture in enumerate(clean)
    ]
    return DataLoader(TensorDataset(torch.cat(degraded), clean), batch_size=4)


def record_run(recipe: Recipe) -> None:
    """Save the resolved recipe and what it runs with: versions, machine, git revision."""
    recipe.output.mkdir(parents=True, exist_ok=True)
    write_whole(recipe.output / "recipe.yaml", recipe_text(recipe).encode())
    packages = ("ccnet-restore", "torch", "lightning", "torchmetrics", "numpy", "pyvips")
    facts = {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in packages},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "git": _git_revision(),
    }
    write_whole(recipe.output / "versions.json", json.dumps(facts, indent=1).encode())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """The revision of the source, "-dirty" when changed since; None outside a repository."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
