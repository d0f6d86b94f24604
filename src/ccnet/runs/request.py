"""What is asked for every file of a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ccnet.errors import WeightsError, reason_of
from ccnet.weights.hub import sha256

if TYPE_CHECKING:
    from ccnet.restoration.automatic import AutoRestorer
    from ccnet.restoration.restorer import Restorer

Identity: TypeAlias = "dict[str, str | float | None]"


@dataclass(frozen=True)
class Request:
    """How a run restores its files; it goes to other processes as it is.

    Attributes:
        model: A task, a model's name or a file; None recognises what is wrong with each file.
        engine: As for `Restorer`, like all down to `size`.
        device: Where.
        precision: What in.
        tile: The size of tiles.
        strength: How much of the restoration to take.
        ensemble: Whether to take the mean with the mirror image's.
        size: Which of a task's models.
        format: Of pictures, as for `Restorer.restore_file`.
        quality: Of pictures.
        codec: Of videos, as for `restore_video`.
        crf: Of videos.
        compare: Whether to write a comparison beside each picture, and videos as one.
        overwrite: Whether to replace files that are there.
        leave_clear: Whether nothing is written for what is clear.
    """

    model: str | None = None
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    strength: float = 1.0
    ensemble: bool = False
    size: str | None = None
    format: str | None = None
    quality: int | None = None
    codec: str | None = None
    crf: int | None = None
    compare: bool = False
    overwrite: bool = False
    leave_clear: bool = False

    def load(self) -> Restorer | AutoRestorer:
        """Load what restores; raises what `Restorer` does."""
        from ccnet.restoration.automatic import make_restorer

        return make_restorer(
            self.model,
            engine=self.engine,
            device=self.device,
            precision=self.precision,
            tile=self.tile,
            strength=self.strength,
            ensemble=self.ensemble,
            size=self.size,
        )

    def identities(self) -> tuple[Identity, Identity]:
        """Give all that a result hangs on but its source, of a picture and of a video.

        Not how it is computed (engine, device, tile): that differs by rounding, and a run may go on
        on another machine. Raises `WeightsError` where the model's file cannot be read.
        """
        both: Identity = {
            "model": self.model or "auto",
            "weights": _checksum(self.model, self.size),
            "precision": self.precision,
            "strength": self.strength,
            "ensemble": self.ensemble,
        }
        return (
            {**both, "format": self.format, "quality": self.quality},
            {**both, "codec": self.codec, "crf": self.crf, "compare": self.compare},
        )


def _checksum(model: str | None, size: str | None) -> str:
    """Give the SHA-256 of a model's file, or of all that recognising may lead to together."""
    from ccnet.recognition.recogniser import WEIGHTS
    from ccnet.weights.registry import DEFAULTS, find_weights, model_of

    if model in DEFAULTS:
        model = model_of(model, size)
    if model is not None:
        return _file_checksum(find_weights(model))
    files = [WEIGHTS, *(find_weights(model_of(task, size)) for task in DEFAULTS)]
    return hashlib.sha256("".join(map(_file_checksum, files)).encode()).hexdigest()


def _file_checksum(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error
