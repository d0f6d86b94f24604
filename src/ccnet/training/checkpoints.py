"""Checkpoints of a run on disk: whole or not at all, and told in a sentence when they are not."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from ccnet.errors import WeightsError, reason_of
from ccnet.placing import place_file


class WholeCheckpoints(CheckpointIO):
    """Writes a checkpoint beside its place and moves it there, so a full disk costs no old one.

    Lightning's own writes to the system's temporary folder first; moving a file from one disk to
    another is copying it, which can end in the middle.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        place_file(content.getbuffer(), path, error=WeightsError, overwrite=True)

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        try:
            # Nothing but tensors and plain values is in there, so no code need be run.
            checkpoint: dict[str, Any] = torch.load(path, map_location or "cpu", weights_only=True)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error
        except Exception as error:  # a damaged file can end in any
            raise WeightsError(
                f"{path} is damaged and cannot be resumed from; move best.ckpt beside it in its "
                "place, or train anew."
            ) from error
        return checkpoint

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        Path(path).unlink(missing_ok=True)
