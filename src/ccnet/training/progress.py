"""What a run says while it goes on: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ccnet.datasets.batches import Batch
from ccnet.training.module import RestorationModule


class ProgressReport(Callback):
    """Report loss, learning rate and pace every `every` steps, and the scores of each validation.

    On a terminal the reports stand beside a bar; elsewhere each is a line of its own. A run with a
    time limit is not told as a part of its steps, which it is not expected to reach.
    """

    def __init__(self, console: Console, every: int) -> None:
        self.console = console
        self.every = every
        self._since = (0, 0.0)
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._since = (trainer.global_step, time.monotonic())
        assert isinstance(pl_module, RestorationModule)
        total = None if pl_module.minutes else trainer.max_steps
        self._bar.start()
        self._bar.update(self._task, total=total, completed=trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        assert isinstance(pl_module, RestorationModule)
        step = trainer.global_step
        self._bar.update(self._task, completed=step)
        if step % self.every:
            return
        since_step, since_time = self._since
        self._since = (step, time.monotonic())
        pace = (self._since[1] - since_time) / max(1, step - since_step)
        limit = f" of {pl_module.minutes:g}" if pl_module.minutes else ""
        report = (
            f"loss {float(pl_module.last_loss.total):.4f}  rate {pl_module.rate:.2e}  "
            f"{pace:.2f} s/step  {pl_module.seconds / 60:.1f}{limit} min"
        )
        self._bar.update(self._task, description=report)
        if not self.console.is_terminal:
            total = "" if pl_module.minutes else f"/{trainer.max_steps}"
            self._print(f"step {step}{total}  {report}")

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        scores = trainer.callback_metrics
        self._print(
            f"step {trainer.global_step}  validation PSNR {scores['validation/psnr']:.2f} dB, "
            f"of the input {scores['validation/input_psnr']:.2f}, "
            f"of clean pictures restored {scores['validation/clean_psnr']:.2f}"
        )

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)

    def teardown(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        self._bar.stop()
