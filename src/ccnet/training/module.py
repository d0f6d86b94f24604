"""One training step and one validation step of a restoration network, for Lightning's Trainer."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from ccnet.datasets.batches import Batch
from ccnet.datasets.seeds import DEGRADING, seeded_generator
from ccnet.degradation.blur import cut_margin
from ccnet.degradation.variety import Degrade, vary_and_degrade
from ccnet.errors import CCNetError
from ccnet.network import CCNet
from ccnet.network.ccnet import Stage, keep_shallow_exact
from ccnet.training.average import decay_at, update_average
from ccnet.training.loss import Loss, restoration_loss
from ccnet.training.schedule import learning_rate

NamesOf = Callable[[int], list[str]]
"""Names the pictures that a step, from 0, sees."""

LOG_EVERY = 20
"""Steps between looks at the loss, each of which makes the host wait for the device."""

NEVER = 2**62
"""The step of a failure that there was not: later than all others."""

NAMES_TOLD = 8
"""Pictures that an error names before it counts the rest."""

HIGHEST_PSNR = 100.0
"""In dB; a picture that is its target has no end, which would make every mean infinite."""


class RestorationModule(lightning.LightningModule):
    """Train `network`, and validate the moving average of its weights.

    Training batches are a `Batch` of crops whose sides are multiples of 4. Those that have no
    degraded side are given one here, on their device. Validation batches are pairs (degraded,
    clean).

    Args:
        network: The network to train, in place.
        degrade: What makes a degraded batch of a clean one; None where batches have both.
        names: Names the pictures of a step, for the error when its loss is not finite.
        steps: Length of the run.
        minutes: Time limit of the whole run, resumed parts included; the learning rate then falls
            in time with it. Not for several processes, whose clocks differ.
        peak_rate: Highest learning rate.
        warmup: Steps, or epochs where these have a length, over which the learning rate rises.
        epoch_steps: Steps for which the learning rate stays the same.
        average_decay: Decay of the moving average; with 0 it is the network itself.
        lowest_rate: Where the learning rate ends.
        compile_network: Whether to put the network's stages through `torch.compile`, one by one,
            for those of the same width share what it makes.
        seed: Of the degradations.
        margin: Pixels around clean batches that are cut off once they are degraded.
    """

    def __init__(
        self,
        network: CCNet,
        degrade: Degrade | None,
        *,
        names: NamesOf,
        steps: int,
        minutes: float | None = None,
        peak_rate: float = 1e-4,
        warmup: int = 0,
        epoch_steps: int = 1,
        average_decay: float = 0.999,
        lowest_rate: float = 1e-6,
        compile_network: bool = False,
        seed: int = 0,
        margin: int = 0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.degrade = degrade
        self.names = names
        self.steps = steps
        self.minutes = minutes
        self.peak_rate = peak_rate
        self.warmup = warmup
        self.epoch_steps = epoch_steps
        self.average_decay = average_decay
        self.lowest_rate = lowest_rate
        self.seed = seed
        self.margin = margin
        if compile_network:
            for stage in network.modules():
                if isinstance(stage, Stage):
                    stage.compile(dynamic=False)
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self.last_loss = Loss(*torch.zeros(3))
        self._first_failure = torch.tensor(NEVER)

    @property
    def seconds(self) -> float:
        """Time trained so far, in this run and those it resumes."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def ending(self) -> bool:
        """Whether the run ends with the step just done."""
        return self.global_step >= self.steps or self._time_spent >= 1

    @property
    def rate(self) -> float:
        """The learning rate of the coming step."""
        return learning_rate(
            self.global_step // self.epoch_steps,
            steps=math.ceil(self.steps / self.epoch_steps),
            warmup=self.warmup,
            peak=self.peak_rate,
            floor=self.lowest_rate,
            time_spent=self._time_spent,
        )

    @property
    def _time_spent(self) -> float:
        return min(1.0, self.seconds / (60 * self.minutes)) if self.minutes else 0.0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.network.parameters(), lr=self.peak_rate, betas=(0.9, 0.999))

    def on_fit_start(self) -> None:
        keep_shallow_exact(self.network, self.device.type)

    def on_train_start(self) -> None:
        self._started = time.monotonic()
        self._first_failure = torch.tensor(NEVER, device=self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.rate

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        degraded, clean = self._pair(batch)
        outputs = self.network.forward_pyramid(
            degraded.contiguous(memory_format=torch.channels_last)
        )
        loss = restoration_loss(outputs, clean)
        self._watch(Loss(*(part.detach() for part in loss)), self.global_step)
        return loss.total

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if batch.degraded is not None:
            return batch.degraded.float() / 255, batch.clean.float() / 255
        assert self.degrade is not None
        generator = seeded_generator(
            self.seed, stream=DEGRADING, index=batch.part, device=self.device
        )
        # Depth and cosine transforms need more digits than the network's mixed precision.
        with torch.autocast(self.device.type, enabled=False):
            degraded, clean = vary_and_degrade(batch.clean, self.degrade, generator)
        return cut_margin(degraded, self.margin), cut_margin(clean, self.margin)

    def _watch(self, loss: Loss, step: int) -> None:
        """Note on the device at which step the loss first is not finite.

        Asking the device for it is left to `check_loss`, which makes the host wait.
        """
        self.last_loss = loss
        failed = ~loss.total.isfinite() & (self._first_failure == NEVER)
        self._first_failure = torch.where(failed, step, self._first_failure)

    def check_loss(self) -> None:
        """Raise `CCNetError` where the loss was not finite, with the step and what it saw.

        All processes raise it, for one that went on alone would wait for the others for ever.
        """
        step = int(self.trainer.strategy.reduce(self._first_failure, reduce_op="min"))
        if step == NEVER:
            return
        names = sorted(set(self.names(step)))
        more = f" and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else ""
        raise CCNetError(
            f"The loss is not finite at step {step + 1}, which saw "
            f"{', '.join(names[:NAMES_TOLD])}{more}; look at these, lower rate= or clip=, set "
            "precision=32-true, or go on from the last checkpoint with --resume."
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        # Here and not at the end of the batch, so that a callback which saves a checkpoint there
        # never finds the weights one step ahead of their average.
        super().optimizer_step(*args, **kwargs)
        update_average(self.average, self.network, decay_at(self.global_step, self.average_decay))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches:
            return
        ending = self.ending  # asked once, for the clock goes on
        if ending or self.global_step % LOG_EVERY == 0:
            self.check_loss()
            for name, part in self.last_loss._asdict().items():
                self.log(f"train/{name}", part, batch_size=1, sync_dist=True)
            self.log("train/rate", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=1)
        self.trainer.should_stop |= ending

    def on_validation_start(self) -> None:
        # Broken weights must not take the place of good ones in the files written after this.
        self.check_loss()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        degraded, clean = batch
        # The weights are shipped in full precision, so they are measured in it.
        with torch.autocast(self.device.type, enabled=False):
            scores = {
                "psnr": psnr(self.average(degraded), clean),
                "input_psnr": psnr(degraded, clean),
                "clean_psnr": psnr(self.average(clean), clean),
            }
        for name, score in scores.items():
            self.log(f"validation/{name}", score.mean(), batch_size=len(clean), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._seconds_before = checkpoint["seconds"]


def psnr(pictures: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each picture, clamped to [0, 1]: (N, 3, H, W) to (N,).

    At most `HIGHEST_PSNR`.
    """
    ratios = peak_signal_noise_ratio(
        pictures.clamp(0, 1), target, data_range=1.0, dim=(1, 2, 3), reduction="none"
    )
    return ratios.clamp(max=HIGHEST_PSNR)
