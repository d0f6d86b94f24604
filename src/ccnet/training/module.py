"""One training step and one validation step of a restoration network, for Lightning's Trainer."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from ccnet.datasets.seeds import DEGRADING, seeded_generator
from ccnet.degradation.light import vary_light
from ccnet.errors import CCNetError
from ccnet.network import CCNet
from ccnet.training.average import decay_at, update_average
from ccnet.training.loss import restoration_loss
from ccnet.training.schedule import learning_rate

Degradation = Callable[[Tensor, torch.Generator], Tensor]
"""Makes a degraded batch of a clean one: float32 (N, 3, H, W) in [0, 1] to the same shape."""

LOG_EVERY = 20
"""Steps between looks at the loss, each of which makes the host wait for the device."""

HIGHEST_PSNR = 60.0
"""In dB; a picture that is its target has no end, which would make every mean infinite."""


class RestorationModule(lightning.LightningModule):
    """Train `network` to undo `degrade`, and validate the moving average of its weights.

    Training batches are clean crops (N, 3, H, W), H and W multiples of 4, degraded here on their
    device. Validation batches are pairs (degraded, clean). `minutes` limits the time of the whole
    run, resumed parts included; the learning rate then falls in time with it.
    """

    def __init__(
        self,
        network: CCNet,
        degrade: Degradation,
        *,
        steps: int,
        minutes: float | None = None,
        peak_rate: float = 1e-4,
        warmup: int = 0,
        average_decay: float = 0.999,
        compile_network: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.degrade = degrade
        self.steps = steps
        self.minutes = minutes
        self.peak_rate = peak_rate
        self.warmup = warmup
        self.average_decay = average_decay
        self.seed = seed
        self._pyramid = network.forward_pyramid
        if compile_network:
            self._pyramid = torch.compile(self._pyramid)
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._last_loss = torch.tensor(0.0)
        self._first_failure = torch.tensor(-1)

    @property
    def seconds(self) -> float:
        """Time trained so far, in this run and those it resumes."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """The learning rate of the coming step."""
        return learning_rate(
            self.global_step,
            steps=self.steps,
            warmup=self.warmup,
            peak=self.peak_rate,
            time_spent=self._time_spent,
        )

    @property
    def _time_spent(self) -> float:
        return min(1.0, self.seconds / (60 * self.minutes)) if self.minutes else 0.0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.network.parameters(), lr=self.peak_rate, betas=(0.9, 0.999))

    def on_train_start(self) -> None:
        self._started = time.monotonic()
        self._first_failure = torch.tensor(-1, device=self.device)

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.rate

    def training_step(self, clean: Tensor, batch_idx: int) -> Tensor:
        generator = seeded_generator(
            self.seed, stream=DEGRADING, index=self.global_step, device=self.device
        )
        # Depth and cosine transforms need more digits than the network's mixed precision.
        with torch.autocast(self.device.type, enabled=False):
            clean = vary_light(clean, generator)
            degraded = self.degrade(clean, generator)
        outputs = self._pyramid(degraded.contiguous(memory_format=torch.channels_last))
        loss = restoration_loss(outputs, clean)
        self._watch(loss.detach(), self.global_step + 1)
        return loss

    def _watch(self, loss: Tensor, step: int) -> None:
        """Note on the device at which step, from 1, the loss first is not finite.

        Asking the device for it is left to `check_loss`, which makes the host wait.
        """
        self._last_loss = loss
        failed = ~loss.isfinite() & (self._first_failure < 0)
        self._first_failure = torch.where(failed, step, self._first_failure)

    def check_loss(self) -> None:
        """Raise `CCNetError` naming the step at which the loss was not finite, if there was one."""
        if (step := int(self._first_failure)) >= 0:
            raise CCNetError(
                f"The loss is not finite at step {step}; lower rate= or clip=, set "
                "precision=32-true, or go on from the last checkpoint with --resume."
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        # Here and not at the end of the batch, so that a callback which saves a checkpoint there
        # never finds the weights one step ahead of their average.
        super().optimizer_step(*args, **kwargs)
        update_average(self.average, self.network, decay_at(self.global_step, self.average_decay))

    def on_train_batch_end(self, outputs: Any, batch: Tensor, batch_idx: int) -> None:
        ending = self.global_step >= self.steps or self._time_spent >= 1
        if ending or self.global_step % LOG_EVERY == 0:
            self.check_loss()
            self.log("train/loss", self._last_loss)
            self.log("train/rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.trainer.should_stop |= ending

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
            self.log(f"validation/{name}", score.mean(), batch_size=len(clean))

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
