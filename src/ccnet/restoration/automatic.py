"""Restoring pictures of which nobody said what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from statistics import fmean
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError, UsageError
from ccnet.images import Picture, read_picture, write_picture
from ccnet.images.writing import check_target
from ccnet.placing import place_file, taken
from ccnet.recognition import CLEAR, TASKS
from ccnet.restoration import pillow
from ccnet.restoration.arrays import check_array, rgb_of
from ccnet.restoration.loading import choose_engine
from ccnet.restoration.restorer import Restorer, checked_strength, no_picture, read_array
from ccnet.restoration.results import (
    check_folder,
    make_folder,
    read_bytes,
    result_format,
    stays,
)
from ccnet.restoration.tiling import Progress, checked_tile
from ccnet.weights.registry import DEFAULTS, SIZES, model_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from ccnet.network import CCNet


class Outcome(NamedTuple):
    """What a picture was taken for, and the model that restored it; None left it as it was."""

    kind: str
    model: str | None


class AutoRestorer:
    """Recognises what is wrong with each picture and restores it with that task's default model.

    A clear picture comes back as it is. Models are loaded when a picture first needs them, and
    threads may share one restorer. `size` is "small" or "large" for each task's model of that size.
    The other arguments and what they raise are those of `Restorer`;
    every call raises `WeightsError` where a model's file is broken.
    """

    def __init__(
        self,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        tile: str | int = "auto",
        strength: float = 1.0,
        ensemble: bool = False,
        size: str | None = None,
    ) -> None:
        self.tile = checked_tile(tile)
        self.strength = checked_strength(strength)
        self.ensemble = ensemble
        self.size = checked_size(size)

        choose_engine(engine, device, precision)  # checked now, for models are loaded later
        self._arguments = (engine, device, precision)
        self._restorers: dict[str, Restorer] = {}
        self._loading = Lock()

    @property
    def engine(self) -> str | None:
        """What runs the models, as `Restorer` has it; None until a picture needed one."""
        return next((restorer.engine for restorer in self._restorers.values()), None)

    def __call__(
        self,
        picture: NDArray[Any] | str | os.PathLike[str] | Image,
        *,
        progress: Progress | None = None,
    ) -> NDArray[Any] | Image:
        """Restore one picture of a kind that `Restorer` takes, to the same kind."""
        if isinstance(picture, (str, os.PathLike)):
            picture = read_array(picture)
        if isinstance(picture, np.ndarray):
            check_array(picture)
            outcome = _recognise_arrays([picture], self.size)
        elif pillow.is_image(picture):
            outcome = recognise_picture(pillow.to_picture(picture), self.size)
        else:
            raise no_picture(picture)
        if outcome.model is None:
            return picture.copy()
        return self._restorer(outcome.model)(picture, progress=progress)

    def restore_picture(
        self, picture: Picture, *, progress: Progress | None = None
    ) -> tuple[Picture, Outcome]:
        """Restore a decoded file, in its own colours and with everything else kept."""
        outcome = recognise_picture(picture, self.size)
        if outcome.model is None:
            return picture, outcome
        restorer = self._restorer(outcome.model)
        return restorer.restore_picture(picture, progress=progress), outcome

    def restore_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        quality: int | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        """Restore a file into another, as `Restorer.restore_file` does.

        A clear picture's file is copied byte for byte, or encoded anew where another format or a
        quality is asked for.
        """
        source, target = Path(source), Path(target)
        if not overwrite and os.path.lexists(target):
            raise PictureError(taken(target))
        check_folder(target)
        picture = read_picture(source)
        format = result_format(picture, source, target, format)  # noqa: A001
        copied = stays(picture, format, quality)  # where nothing is wrong with it
        if not copied:
            check_target(picture, target, format=format, quality=quality)
        restored, outcome = self.restore_picture(picture, progress=progress)
        make_folder(target.parent)
        if outcome.model is None and copied:
            data = picture.piped or read_bytes(source)
            place_file(data, target, error=PictureError, overwrite=overwrite)
        else:
            write_picture(restored, target, format=format, quality=quality, overwrite=overwrite)
        return outcome

    def choose(self, arrays: Iterable[NDArray[Any]]) -> tuple[Restorer | None, Outcome]:
        """Recognise what is wrong with several views of one scene, such as frames of a video.

        What is thought likely of each is averaged. Gives what restores them, None if nothing must.
        """
        outcome = _recognise_arrays(arrays, self.size)
        return None if outcome.model is None else self._restorer(outcome.model), outcome

    def _restorer(self, model: str) -> Restorer:
        """Load a model, and free what the one before it keeps."""
        with self._loading:
            if model not in self._restorers:
                engine, device, precision = self._arguments
                self._restorers[model] = Restorer(
                    model,
                    engine=engine,
                    device=device,
                    precision=precision,
                    tile=self.tile,
                    strength=self.strength,
                    ensemble=self.ensemble,
                )
            self._restorers[model].take_turn()
            return self._restorers[model]


def recognise_picture(picture: Picture, size: str | None = None) -> Outcome:
    """Recognise what is wrong with a decoded file, and name that task's model."""
    from ccnet.recognition.recogniser import shipped_recogniser
    from ccnet.recognition.views import views_of_picture

    return _outcome_of(shipped_recogniser().recognise(views_of_picture(picture)), size)


def _recognise_arrays(arrays: Iterable[NDArray[Any]], size: str | None) -> Outcome:
    from ccnet.recognition.recogniser import likeliest, shipped_recogniser
    from ccnet.recognition.views import views_of

    recogniser = shipped_recogniser()
    found = []
    for array in arrays:
        cut = partial(_rgb_cut, array)
        found.append(recogniser.probabilities(views_of(cut, *array.shape[:2])))
    likely = {kind: fmean(each[kind] for each in found) for kind in found[0]}
    return _outcome_of(likeliest(likely), size)


def _rgb_cut(array: NDArray[Any], rows: slice, columns: slice) -> NDArray[np.float32]:
    return rgb_of(array[rows, columns])


def checked_size(size: str | None) -> str | None:
    """Give a size back; raises `UsageError` for one that no models have."""
    if size not in (None, *SIZES):
        raise UsageError(f"size={size} is none of {', '.join(SIZES)}.")
    return size


def _outcome_of(kind: str, size: str | None) -> Outcome:
    return Outcome(kind, None if kind == CLEAR else model_of(TASKS[kind], size))


def make_restorer(
    model: str | os.PathLike[str] | CCNet | None,
    *,
    engine: str,
    device: str,
    precision: str,
    tile: str | int,
    strength: float,
    ensemble: bool,
    size: str | None = None,
) -> Restorer | AutoRestorer:
    """Make what restores with a model, or, for None, with the one that each picture needs.

    The arguments and what they raise are those of `AutoRestorer`; `UsageError`, too, where a
    `size` is given for a model that is no task.
    """
    checked_size(size)
    if size is not None and model is not None:
        if model not in DEFAULTS:
            named = model if isinstance(model, (str, os.PathLike)) else "a CCNet"
            raise UsageError(f"size={size} is for a task's models; leave it out with {named}.")
        model = model_of(str(model), size)
    if model is None:
        return AutoRestorer(
            engine=engine,
            device=device,
            precision=precision,
            tile=tile,
            strength=strength,
            ensemble=ensemble,
            size=size,
        )
    return Restorer(
        model,
        engine=engine,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        ensemble=ensemble,
    )
