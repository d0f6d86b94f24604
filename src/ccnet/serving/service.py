"""Pictures restored on demand: checked at once, then in turn, within the bounds of `Settings`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ccnet.errors import CCNetError, PictureError, UsageError
from ccnet.images import Picture, encode_picture, picture_size, read_picture
from ccnet.images.formats import HEAD_BYTES, format_of
from ccnet.images.reading import GIVEN_AS_BYTES
from ccnet.recognition.recogniser import shipped_recogniser
from ccnet.restoration import Restorer
from ccnet.restoration.automatic import recognise_picture
from ccnet.serving.devices import Devices, Restorers
from ccnet.serving.metrics import Metrics
from ccnet.serving.options import Options
from ccnet.serving.queue import Job, JobQueue
from ccnet.serving.refusals import Refusal
from ccnet.serving.settings import Settings
from ccnet.weights import Model
from ccnet.weights.model import read_model
from ccnet.weights.registry import DEFAULTS, ONNX, find_model, find_weights, model_of, task_named

_log = logging.getLogger("ccnet.serving")


@dataclass(frozen=True)
class Answer:
    """A restored picture.

    Attributes:
        data: The picture, encoded.
        format: How, as `ccnet.images` calls it.
        kind: What it was taken for, or None where a task or model was asked for.
        model: The model that restored it, or None for a clear picture.
        seconds: What each stage took.
        before: The decoded picture.
        after: The same, restored.
    """

    data: bytes
    format: str
    kind: str | None
    model: str | None
    seconds: dict[str, float]
    before: Picture = field(repr=False)
    after: Picture = field(repr=False)


class Offer(NamedTuple):
    """A model that requests may name: what `Restorer` takes, and what is known of it."""

    source: str
    model: Model | None


class RestorationService:
    """Restores pictures in threads of its own, each device in one call at a time.

    Raises `CCNetError` where a model, device or engine that the settings name is not there.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.offers = _offered(settings.size, settings.models)
        self._metrics = metrics
        devices = [self._restorers(device) for device in settings.devices]
        for restorers in devices:
            _log.info("Restoring with %s.", restorers[model_of("dehaze", settings.size)].engine)
        self._devices = Devices(devices)
        shipped_recogniser()  # now, so that a broken one is told at the start
        threads = max(settings.max_decodes, len(settings.devices))
        self.queue = JobQueue(threads, settings.max_waiting)
        self._looks = ThreadPoolExecutor(settings.max_decodes, "ccnet-look")
        metrics.watch(self.queue)

    def restore(self, data: bytes, options: Options) -> Job[Answer]:
        """Restore a picture when its turn comes; raises `Refusal` where too many wait.

        While it waits, it is looked at whether what is asked for makes sense and the picture is
        whole; if not, its future raises `Refusal` then. What is decoded for that is thrown away:
        all that wait would take more memory than to decode them again takes time.
        """

        def work(job: Job[Answer]) -> Answer:
            return self._restore(data, options, job)

        def look() -> None:
            self._check(data, options)
            self._decode(data)

        job = self.queue.add(work, self.settings.request_seconds, look)
        self._looks.submit(job.look)
        return job

    def _restorers(self, device: str) -> Restorers:
        return {
            name: Restorer(
                offer.source,
                engine=self.settings.engine,
                device=device,
                precision=self.settings.precision,
                tile=self.settings.tile,
            )
            for name, offer in self.offers.items()
        }

    def _check(self, data: bytes, options: Options) -> None:
        """Refuse what can be seen not to be served before the picture is decoded."""
        self._model_of(options)
        if not data:
            raise Refusal("bad_request", "The request holds no picture.")
        with _told_as("damaged_picture" if format_of(data[:HEAD_BYTES]) else "unsupported_picture"):
            width, height = picture_size(data)
        bounds = self.settings
        if width * height > bounds.max_pixels or max(width, height) > bounds.max_edge:
            raise Refusal(
                "picture_too_large",
                f"The picture is {width} by {height} pixels; at most {bounds.max_megapixels:g} "
                f"megapixels are taken, and {bounds.max_edge} across and down.",
            )

    def _restore(self, data: bytes, options: Options, job: Job[Answer]) -> Answer:
        seconds = {"wait": time.monotonic() - job.arrived}
        self._check(data, options)  # its turn may have come before it was looked at
        with _timed(seconds, "decode"):
            before = self._decode(data)
        job.tell(0.0)
        model = self._model_of(options)
        kind = None
        if model is None:
            with _timed(seconds, "recognise"):
                kind, model = recognise_picture(before, self.settings.size)
        after = before
        if model is not None:
            asked, strength = time.monotonic(), options.strength
            with _told_as("internal_error"):  # such as memory that ran out
                after, seconds["device"] = self._devices.restore(model, strength, before, job)
            seconds["restore"] = time.monotonic() - asked - seconds["device"]
        format = options.format or before.format  # noqa: A001
        if after is not before or format != before.format or options.quality is not None:
            with _timed(seconds, "encode"), _told_as("invalid_option"):
                data = encode_picture(after, format, options.quality)
        height, width, _ = before.pixels.shape
        self._metrics.restored(kind, model, width * height, seconds)
        return Answer(data, format, kind, model, seconds, before, after)

    def _decode(self, data: bytes) -> Picture:
        with _told_as("damaged_picture"):
            return read_picture(data, max_pixels=self.settings.max_pixels)

    def _model_of(self, options: Options) -> str | None:
        """Name the model that is asked for, or None where that is left to recognition."""
        if options.model is not None and options.model not in self.offers:
            known = ", ".join(self.offers)
            raise Refusal("invalid_option", f"model must be one of {known}.")
        own = task_named(options.model)
        if options.task in DEFAULTS and own not in (None, options.task):
            sentence = f"model {options.model} is for {own}; leave task {options.task} out."
            raise Refusal("invalid_option", sentence)
        if options.model is None and options.task in DEFAULTS:
            return model_of(options.task, self.settings.size)
        return options.model


def _offered(size: str, sources: tuple[str, ...]) -> dict[str, Offer]:
    """List the tasks' models of a size, and by the stems of their files those that are named.

    Raises `UsageError` where two would have the same name.
    """
    models = (find_model(model_of(task, size)) for task in DEFAULTS)
    offers = {model.name: Offer(model.name, model) for model in models}
    for source in sources:
        is_onnx = source.lower().endswith(ONNX)
        path = Path(source) if is_onnx else find_weights(source)
        known = offers.get(path.stem)
        if known is not None and not _is_same(known, source, path):
            raise UsageError(f"{source}: there is a model {path.stem} already; rename the file.")
        model = None if is_onnx else read_model(path, path.stem)
        offers[path.stem] = Offer(source, model)
    return offers


def _is_same(offer: Offer, source: str, path: Path) -> bool:
    """Whether a model is one that is offered, named again, perhaps by its task."""
    return source == offer.source or (offer.model is not None and path == offer.model.file)


@contextmanager
def _told_as(code: str) -> Iterator[None]:
    """Refuse with a code what cannot be read or written."""
    try:
        yield
    except (PictureError, UsageError) as error:
        message = str(error).replace(GIVEN_AS_BYTES, "The picture")
        raise Refusal(code, message) from error
    except CCNetError as error:
        raise Refusal("internal_error", str(error)) from error


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - began
