"""Before and after: validation pictures put side by side each time the weights are measured."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import Dataset

from ccnet.datasets.splits import spread
from ccnet.errors import PictureError
from ccnet.images import Picture, encode_picture
from ccnet.placing import place_file
from ccnet.training.module import RestorationModule

SHOWN = 4
"""Pairs that are shown, spread over the validation set."""


class PicturesReport(Callback):
    """Show degraded, restored and clean pictures in TensorBoard and in the PNG file `path`.

    One row for each of a few `pairs` (degraded, clean), float32 (3, H, W) in [0, 1] of one size.
    """

    def __init__(self, path: Path, pairs: Dataset[tuple[Tensor, Tensor]]) -> None:
        self.path = path
        self.pairs = pairs

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, RestorationModule)
        places = spread(range(len(self.pairs)), SHOWN)  # type: ignore[arg-type]
        shown = [self.pairs[place] for place in places]
        sheet = before_and_after(pl_module, shown)
        logger = cast(TensorBoardLogger, trainer.logger)
        logger.experiment.add_image("validation", sheet, trainer.global_step)
        picture = Picture(sheet.permute(1, 2, 0).numpy())
        place_file(
            encode_picture(picture, self.path.suffix), self.path, error=PictureError, overwrite=True
        )


def before_and_after(module: RestorationModule, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Put degraded, restored and clean pictures in a row for each pair: uint8 (3, H, W)."""
    degraded, clean = (torch.stack(side) for side in zip(*pairs, strict=True))
    with torch.inference_mode():
        restored = module.average(degraded.to(module.device)).cpu()
    columns = torch.cat((degraded, restored, clean), dim=3).clamp(0, 1)
    return torch.cat((columns * 255).round().to(torch.uint8).unbind(), dim=1)
