"""Run a recipe: build everything, train, and leave weights, checkpoints and a log behind."""

from __future__ import annotations

import dataclasses
import errno
import logging
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch.utils.data import DataLoader

from ccnet.datasets.batches import Share
from ccnet.errors import CCNetError, UsageError
from ccnet.machine import find_device, has_bfloat16
from ccnet.network import CCNet
from ccnet.training.callbacks import CheckpointOnStop, WeightsExport
from ccnet.training.checkpoints import WholeCheckpoints
from ccnet.training.data import CleanPictures, PairsOnDisk, find_pictures
from ccnet.training.module import NamesOf, RestorationModule
from ccnet.training.pictures import PicturesReport
from ccnet.training.processes import processes, processes_here, rank
from ccnet.training.progress import ProgressReport
from ccnet.training.recipe import NetworkRecipe, Recipe
from ccnet.training.record import record_run
from ccnet.training.resuming import changes, checkpoint_to_resume, recorded_recipe
from ccnet.weights import load_network

PROGRESS_EVERY = 50
"""Steps between reports of the loss."""


def train_recipe(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train as `recipe` says and return the path of the averaged weights (.safetensors).

    `recipe.output` then holds these weights, `last.ckpt` and `best.ckpt` (of the highest
    validation PSNR), `validation.png` with pictures before and after, the resolved recipe, the
    versions it ran with, and a TensorBoard log. With `resume` the run goes on from `last.ckpt`, on
    the CPU to the same weights, bit for bit, as if it had never stopped (without `minutes`, which
    follow the clock); values that have changed since are told. Raises `UsageError` where there is
    nothing to resume, samples would be others, or something would be overwritten, `DatasetError`
    that names all pictures of a dataset that cannot be trained on, `PictureError` for a picture
    that cannot be read, `InterruptedTrainingError` after Ctrl-C or SIGTERM, and `CCNetError` when
    the loss is no longer finite.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    checkpoint = checkpoint_to_resume(recipe) if resume else None
    started = recorded_recipe(recipe) if resume else None
    # The checkpoint holds all weights, so the file that they began as may be gone.
    network = build_network(dataclasses.replace(started, start=None) if started else recipe)
    recipe = dataclasses.replace(recipe, network=NetworkRecipe(**network.hyper_parameters()))
    # Path.is_file would raise where the folder's name is too long or the folder is closed to us.
    if not resume and os.path.isfile(recipe.output / "last.ckpt"):  # noqa: PTH113
        raise UsageError(
            f"{recipe.output} holds a run; go on with --resume or name another with output=."
        )
    pictures = find_pictures(recipe)
    epoch_steps = math.ceil(len(pictures.training) / recipe.batch) if recipe.epochs else 1
    steps = recipe.steps or epoch_steps * (recipe.epochs or 0)
    share = share_of(recipe)
    device = device_of(recipe)
    recipe = dataclasses.replace(recipe, precision=precision_of(recipe, device))
    if share.rank == 0:
        record_run(recipe, device)

    console = Console(stderr=True, quiet=share.rank > 0)
    if started is not None and (told := changes(started, recipe)):
        console.print(f"Resuming with {told}.", highlight=False, markup=False, soft_wrap=True)
    if recipe.check and not resume and share.rank == 0 and isinstance(pictures, PairsOnDisk):
        with console.status("checking pictures") as status:
            pictures.check(lambda done, total: status.update(f"checked {done} of {total} pictures"))
    weights = recipe.output / "weights.safetensors"
    with warnings.catch_warnings():
        quieten_lightning()
        pairs = pictures.validation_pairs(recipe)
        trainer = make_trainer(
            recipe,
            steps,
            share,
            [
                WeightsExport(weights, facts_of(recipe, pictures)),
                PicturesReport(recipe.output / "validation.png", pairs),
                ProgressReport(console, PROGRESS_EVERY),
            ],
        )
        batches = pictures.batches(recipe, steps, share, trainer.strategy.root_device)
        module = make_module(recipe, network, pictures, batches.names, steps, epoch_steps)
        console.print(
            f"{recipe.name}: {pictures}, {steps} steps, results in {recipe.output}",
            highlight=False,
            soft_wrap=True,
        )
        with disk_errors_told(recipe.output):
            trainer.fit(module, batches, DataLoader(pairs), ckpt_path=checkpoint)
    return weights


def make_module(
    recipe: Recipe,
    network: CCNet,
    pictures: CleanPictures | PairsOnDisk,
    names: NamesOf,
    steps: int,
    epoch_steps: int,
) -> RestorationModule:
    """Set up the steps that train `network`, which are told apart in `RestorationModule`."""
    return RestorationModule(
        network,
        pictures.degrade,
        names=names,
        steps=steps,
        minutes=recipe.minutes,
        peak_rate=recipe.rate,
        warmup=recipe.warmup,
        epoch_steps=epoch_steps,
        average_decay=recipe.average_decay,
        lowest_rate=recipe.lowest_rate,
        compile_network=recipe.compile,
        seed=recipe.seed,
        margin=pictures.margin,
    )


def build_network(recipe: Recipe) -> CCNet:
    """Make the network or load the one to start from; raises `UsageError` where they differ."""
    if recipe.start is None:
        assert recipe.network is not None
        return CCNet(**dataclasses.asdict(recipe.network))
    network = load_network(recipe.start)
    if recipe.network not in (None, found := NetworkRecipe(**network.hyper_parameters())):
        raise UsageError(f"start={recipe.start} is another network, {found}; leave network out.")
    return network.train()


def share_of(recipe: Recipe) -> Share:
    """Find out what this process takes of each step; raises `UsageError` where none can be."""
    share = Share(
        recipe.batch,
        passes=recipe.accumulate,
        processes=processes(recipe.devices),
        rank=rank(),
    )
    if recipe.batch % share.parts:
        raise UsageError(
            f"batch={recipe.batch} cannot be shared by {share.processes} processes in "
            f"{recipe.accumulate} passes; make it a multiple of {share.parts}."
        )
    if share.processes > 1 and recipe.minutes is not None:
        raise UsageError("minutes= needs a single process, for clocks differ; give steps= instead.")
    return share


def device_of(recipe: Recipe) -> str:
    """Find the device; raises `UsageError` where it is not there, or cannot do what is asked."""
    device = find_device(recipe.device)
    if device.startswith("cuda") and processes_here(recipe.devices) > torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise UsageError(f"devices={recipe.devices} are more than the {there} that are there.")
    if recipe.precision == "16-mixed" and not device.startswith("cuda"):
        raise UsageError("precision=16-mixed needs a CUDA device; bf16-mixed runs on all.")
    return device


def precision_of(recipe: Recipe, device: str) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Take what the recipe says, and for `auto` what pays on `device`."""
    if recipe.precision != "auto":
        return recipe.precision
    return "bf16-mixed" if has_bfloat16(device) else "32-true"


def make_trainer(
    recipe: Recipe, steps: int, share: Share, callbacks: list[Callback]
) -> lightning.Trainer:
    """Set up Lightning's Trainer; `callbacks` come before those that write checkpoints or stop."""
    best = ModelCheckpoint(
        recipe.output,
        filename="best",
        monitor="validation/psnr",
        mode="max",
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(recipe.output, filename="last", enable_version_counter=False)
    stop = CheckpointOnStop(recipe.output / "last.ckpt")
    here = processes_here(recipe.devices)
    assert recipe.precision != "auto"
    return lightning.Trainer(
        accelerator=recipe.device,
        devices=here,
        num_nodes=share.processes // here,
        strategy="ddp" if share.processes > 1 else "auto",
        plugins=[WholeCheckpoints()],
        max_steps=steps,
        max_epochs=-1,
        precision=recipe.precision,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.clip,
        val_check_interval=recipe.validate_every * recipe.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=TensorBoardLogger(recipe.output, name="", version="log"),
        callbacks=[*callbacks, best, last, stop],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def disk_errors_told(folder: Path) -> Iterator[None]:
    """Tell in one sentence that the disk is full where the log in `folder` is written.

    That is done by a thread, which would print a traceback before the run hears of it.
    """
    hook = threading.excepthook
    threading.excepthook = lambda told: isinstance(told.exc_value, OSError) or hook(told)
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        reason = os.strerror(error.errno).lower()
        raise CCNetError(f"The log in {folder} cannot be written: {reason}.") from error
    finally:
        threading.excepthook = hook


def facts_of(recipe: Recipe, pictures: CleanPictures | PairsOnDisk) -> dict[str, str]:
    """What the file of weights says of itself, which `ccnet models` lists."""
    return {
        "name": recipe.name,
        "task": recipe.task,
        "licence": recipe.licence,
        "description": recipe.description,
        "data": f"{pictures}, {recipe.dataset or 'degraded on the fly'}",
    }


def quieten_lightning() -> None:
    """Keep back what Lightning says of devices that are not there, of products, and of itself."""
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.WARNING)
    for message in (
        "Checkpoint directory .* exists",
        ".*val_dataloader.* does not have many workers",
        ".*isinstance\\(treespec, LeafSpec\\)",
    ):
        warnings.filterwarnings("ignore", message)
