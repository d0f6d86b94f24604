"""Devices that restore decoded pictures, each in one call at a time, those of one size together."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from ccnet.images import Picture
from ccnet.restoration import Restorer
from ccnet.serving.queue import Job

Restorers = dict[str, Restorer]
"""The models of one device, by name."""


class Devices:
    """Shares devices among the threads that have a picture for them, first come, first served.

    Where an engine gains from several pictures at once (`Restorer.batch_size`), whoever gets a
    device takes along those of the same size that wait for the same model and strength. None is
    waited for.
    """

    def __init__(self, devices: Iterable[Restorers]) -> None:
        self._idle = list(devices)
        self._waiting: list[_Wanted] = []
        self._changed = threading.Condition()

    def restore(
        self, model: str, strength: float, picture: Picture, job: Job[Any]
    ) -> tuple[Picture, float]:
        """Restore a picture, and tell how many seconds it waited for a device.

        Raises `StoppedError` when the job is not wanted any more, and what restoring does.
        """
        asked = time.monotonic()
        own = _Wanted(model, strength, picture, job)
        with self._changed:
            self._waiting.append(own)
        try:
            while not own.restored.done():
                job.tell(job.share)
                with self._changed:
                    self._changed.wait_for(lambda: own.restored.done() or self._comes_first(own), 1)
                    taken = self._take(own) if self._comes_first(own) else None
                if taken is not None:
                    self._restore(*taken)
        finally:
            with self._changed:
                if own in self._waiting:
                    self._waiting.remove(own)
                    self._changed.notify_all()
        return own.restored.result(), own.began - asked

    def _comes_first(self, own: _Wanted) -> bool:
        return bool(self._idle) and self._waiting[:1] == [own]

    def _take(self, own: _Wanted) -> tuple[Restorers, list[_Wanted]]:
        restorers = self._idle.pop(0)
        most = restorers[own.model].batch_size(*own.picture.pixels.shape[:2])
        batch = [each for each in self._waiting if each.fits(own)][:most]
        self._waiting = [each for each in self._waiting if each not in batch]
        for each in batch:
            each.began = time.monotonic()
        self._changed.notify_all()  # another may come first now, and find another device
        return restorers, batch

    def _restore(self, restorers: Restorers, batch: list[_Wanted]) -> None:
        first = batch[0]
        restorer = copy.copy(restorers[first.model])  # which shares the network
        restorer.strength = first.strength
        try:
            if len(batch) > 1:
                restored = restorer.restore_pictures([each.picture for each in batch])
            else:
                restored = [restorer.restore_picture(first.picture, progress=first.job.tell)]
        except BaseException as error:  # noqa: BLE001
            for each in batch:
                each.restored.set_exception(error)
        else:
            for each, picture in zip(batch, restored, strict=True):
                each.restored.set_result(picture)
        finally:
            restorer.release_memory()  # the next picture may be of another model
            with self._changed:
                self._idle.append(restorers)
                self._changed.notify_all()


class _Wanted:
    def __init__(self, model: str, strength: float, picture: Picture, job: Job[Any]) -> None:
        self.model = model
        self.strength = strength
        self.picture = picture
        self.job = job
        self.restored: Future[Picture] = Future()
        self.began = 0.0

    def fits(self, other: _Wanted) -> bool:
        """Whether both can be restored in one call."""
        return (self.model, self.strength, self.picture.pixels.shape[:2]) == (
            other.model,
            other.strength,
            other.picture.pixels.shape[:2],
        )
