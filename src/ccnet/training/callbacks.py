"""What happens beside the training steps: weights written, interruptions heeded."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ccnet.errors import CCNetError
from ccnet.training.module import RestorationModule
from ccnet.weights.files import save_model


class InterruptedTrainingError(CCNetError):
    """Training was asked to stop and left a checkpoint from which it can go on."""


class WeightsExport(Callback):
    """Write the averaged weights to `path` (.safetensors) after every validation.

    `metadata` goes into the file, with the step and the validation scores added.
    """

    def __init__(self, path: Path, metadata: dict[str, str]) -> None:
        self.path = path
        self.metadata = metadata

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        assert isinstance(pl_module, RestorationModule)
        scores = {
            name: f"{float(score):.3f}"
            for name, score in trainer.callback_metrics.items()
            if name.startswith("validation/")
        }
        metadata = {**self.metadata, "step": str(trainer.global_step), **scores}
        save_model(pl_module.average, self.path, metadata, overwrite=True)


class CheckpointOnSignal(Callback):
    """On Ctrl-C or SIGTERM finish the step, save `path` and raise `InterruptedTrainingError`.

    A validation that is under way is finished, too. A second signal ends the program at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._asked = False
        self._previous: dict[int, Any] = {}

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        if self._asked:
            trainer.save_checkpoint(self.path)
            raise InterruptedTrainingError(
                f"Stopped after step {trainer.global_step}; go on from {self.path} with --resume."
            )

    def teardown(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        self._restore()
