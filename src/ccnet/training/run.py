"""Run a recipe: build everything, train, and leave weights, checkpoints and a log behind."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch.utils.data import DataLoader, TensorDataset

from ccnet.datasets import CropBatches, Photographs, split_photographs
from ccnet.datasets.seeds import VALIDATING, seeded_generator
from ccnet.degradation.haze import add_haze
from ccnet.errors import UsageError
from ccnet.training.callbacks import CheckpointOnSignal, WeightsExport
from ccnet.training.module import Degradation, RestorationModule
from ccnet.training.progress import ProgressReport
from ccnet.training.recipe import Recipe, load_recipe
from ccnet.training.record import record_run

DEGRADATIONS: dict[str, Degradation] = {"dehaze": add_haze}
"""What each task learns to undo."""

PROGRESS_EVERY = 50
"""Steps between reports of the loss."""


def train_recipe(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train as `recipe` says and return the path of the averaged weights (.safetensors).

    `recipe.output` then holds these weights, `last.ckpt` and `best.ckpt` (of the highest
    validation PSNR), the resolved recipe, the versions it ran with, and a TensorBoard log. With
    `resume` the run goes on from `last.ckpt`, on the CPU to the same weights, bit for bit, as if
    it had never stopped (without `minutes`, which follow the clock). Raises `UsageError` where
    there is nothing to resume or something that would be overwritten, `InterruptedTrainingError`
    after Ctrl-C or SIGTERM, and `CCNetError` when the loss is no longer finite.
    """
    if recipe.task not in DEGRADATIONS:
        raise UsageError(f"task={recipe.task} is none of {', '.join(DEGRADATIONS)}; name one.")
    degrade = DEGRADATIONS[recipe.task]
    checkpoint = checkpoint_to_resume(recipe) if resume else None
    # Path.is_file would raise where the folder's name is too long or the folder is closed to us.
    if not resume and os.path.isfile(recipe.output / "last.ckpt"):  # noqa: PTH113
        raise UsageError(
            f"{recipe.output} holds a run; go on with --resume or name another with output=."
        )
    training_paths, validation_paths = split_photographs(recipe.photos)
    record_run(recipe)
    console = Console(stderr=True)
    weights = recipe.output / "weights.safetensors"

    with warnings.catch_warnings():
        quieten_lightning()
        lightning.seed_everything(recipe.seed, verbose=False)
        trainer = make_trainer(recipe, weights, console)
        training = Photographs.read(
            training_paths, long_side=recipe.long_side, device=trainer.strategy.root_device
        )
        validation = Photographs.read(validation_paths, long_side=recipe.long_side)
        module = RestorationModule(
            recipe.network.build(),
            degrade,
            steps=recipe.steps,
            minutes=recipe.minutes,
            peak_rate=recipe.rate,
            warmup=recipe.warmup,
            average_decay=recipe.average_decay,
            compile_network=recipe.compile,
            seed=recipe.seed,
        )
        console.print(
            f"{recipe.name}: {len(training)} photographs to train on, {len(validation)} to "
            f"validate, results in {recipe.output}",
            highlight=False,
            soft_wrap=True,
        )
        batches = CropBatches(
            training, length=recipe.steps, batch=recipe.batch, crop=recipe.crop, seed=recipe.seed
        )
        pairs = validation_pairs(validation, degrade, recipe.validation_crop)
        trainer.fit(module, batches, DataLoader(pairs), ckpt_path=checkpoint)
    return weights


def checkpoint_to_resume(recipe: Recipe) -> Path:
    """Find the run's last checkpoint; raises `UsageError` where it has none or another network."""
    last = recipe.output / "last.ckpt"
    if not os.path.isfile(last):  # noqa: PTH113
        raise UsageError(f"{last} is not there to resume from; train without --resume.")
    started = load_recipe(str(recipe.output / "recipe.yaml")).network
    if started != recipe.network:
        raise UsageError(
            f"{recipe.output} holds a run with network.width={started.width} and "
            f"network.modules={started.modules}; resume with these or name another output=."
        )
    return last


def make_trainer(recipe: Recipe, weights: Path, console: Console) -> lightning.Trainer:
    """Set up Lightning's Trainer with the callbacks of a run."""
    metadata = {
        "name": recipe.name,
        "task": recipe.task,
        "licence": recipe.licence,
        "description": recipe.description,
    }
    best = ModelCheckpoint(
        recipe.output,
        filename="best",
        monitor="validation/psnr",
        mode="max",
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(recipe.output, filename="last", enable_version_counter=False)
    return lightning.Trainer(
        max_steps=recipe.steps,
        max_epochs=-1,
        devices=1,
        precision=recipe.precision,
        gradient_clip_val=recipe.clip,
        val_check_interval=recipe.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=TensorBoardLogger(recipe.output, name="", version="log"),
        callbacks=[
            WeightsExport(weights, metadata),
            CheckpointOnSignal(recipe.output / "last.ckpt"),
            ProgressReport(console, PROGRESS_EVERY),
            best,
            last,
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def validation_pairs(photographs: Photographs, degrade: Degradation, crop: int) -> TensorDataset:
    """Pair each photograph's degraded centre with the clean one: float32 (3, crop, crop) both.

    Each photograph has a random stream of its own, made on the host, so that every run on every
    device is validated on the same pictures.
    """
    clean = photographs.centre_crops(crop)
    degraded = [
        degrade(picture[None], seeded_generator(0, stream=VALIDATING, index=index))
        for index, picture in enumerate(clean)
    ]
    return TensorDataset(torch.cat(degraded), clean)


def quieten_lightning() -> None:
    """Keep back what Lightning says of devices that are not there, of products, and of itself."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        "Checkpoint directory .* exists",
        ".*val_dataloader.* does not have many workers",
        ".*isinstance\\(treespec, LeafSpec\\)",
    ):
        warnings.filterwarnings("ignore", message)
