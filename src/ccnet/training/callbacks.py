"""What happens beside the training steps: weights written, interruptions heeded."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, Checkpoint

from ccnet.datasets.batches import Batch
from ccnet.errors import CCNetError, PictureError
from ccnet.training.module import RestorationModule
from ccnet.weights.files import save_model


class InterruptedTrainingError(CCNetError):
    """Training was asked to stop and left a checkpoint from which it can go on."""

    exit_code = 130  # as a shell has it of what Ctrl-C ended


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
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, RestorationModule)
        scores = {
            name: f"{float(score):.3f}"
            for name, score in trainer.callback_metrics.items()
            if name.startswith("validation/")
        }
        metadata = {**self.metadata, "step": str(trainer.global_step), **scores}
        save_model(pl_module.average, self.path, metadata, overwrite=True)


ASK_EVERY = 10
"""Steps between which several processes tell each other that they were asked to stop."""

SLOW = 1.0
"""Seconds of a step from which they do after each, for torchrun kills them after 30."""


class CheckpointOnStop(Checkpoint):
    """Save `path` when a run is stopped by a signal or a picture that cannot be read.

    On Ctrl-C or SIGTERM the step is finished with the validation that is due after it, and
    `InterruptedTrainingError` raised, but where the run is at its end, which it then reaches. A
    second signal ends the program at once. `path` is also where each validation must leave a
    checkpoint; this has to stand after the callback that writes it, and Lightning keeps
    `Checkpoint`s behind all other callbacks.

    For a picture that cannot be read while validating nothing is saved: going on from there would
    leave that validation out, and with it the weights that it writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._asked = False
        self._slow = True
        self._since = (0, 0.0)
        self._previous: dict[int, Any] = {}

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._since = (trainer.global_step, time.monotonic())
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
        batch: Batch,
        batch_idx: int,
    ) -> None:
        # Between the passes of a step there are gradients that no checkpoint holds.
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        assert isinstance(pl_module, RestorationModule)
        # A run that goes on from a checkpoint of here would leave out the validation that is due.
        if pl_module.ending or validation_is_due(trainer):
            return
        # All processes must save at the same step, but asking the others makes the host wait.
        if trainer.world_size > 1 and not self._slow and trainer.global_step % ASK_EVERY:
            return
        self._look_at_pace(trainer)
        if self._is_asked(trainer):
            pl_module.check_loss()
            trainer.save_checkpoint(self.path)
            raise self._interrupted(trainer)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.should_stop and self._is_asked(trainer):
            raise self._interrupted(trainer)

    def _look_at_pace(self, trainer: lightning.Trainer) -> None:
        """Note whether the steps since the last look were slow in any process."""
        (step, since), now = self._since, time.monotonic()
        slow = now - since > SLOW * (trainer.global_step - step)
        self._slow = trainer.strategy.reduce_boolean_decision(slow, all=False)
        self._since = (trainer.global_step, now)

    def _is_asked(self, trainer: lightning.Trainer) -> bool:
        return trainer.strategy.reduce_boolean_decision(self._asked, all=False)

    def _interrupted(self, trainer: lightning.Trainer) -> InterruptedTrainingError:
        return InterruptedTrainingError(
            f"Stopped after step {trainer.global_step}; go on from {self.path} with --resume."
        )

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        if not isinstance(exception, PictureError) or trainer.world_size > 1:
            return
        if trainer.validating:
            return
        if (trainer.fit_loop.batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            assert isinstance(pl_module, RestorationModule)
            with suppress(CCNetError):  # no checkpoint where the loss was not finite
                pl_module.check_loss()
                trainer.save_checkpoint(self.path)

    def teardown(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        self._restore()


def validation_is_due(trainer: lightning.Trainer) -> bool:
    """Whether Lightning validates after the batch just done, the end of the run aside."""
    assert trainer.val_check_batch is not None  # once the batches are known
    return (trainer.fit_loop.total_batch_idx + 1) % trainer.val_check_batch == 0
