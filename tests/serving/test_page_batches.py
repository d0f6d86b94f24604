"""Several pictures of the page, one after the other; no server is started, and no browser.

They are apart from test_page.py as Playwright runs an event loop of its own there.
"""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio
import numpy as np
import pytest

from ccnet.images import Picture
from ccnet.serving import page
from ccnet.serving.page_files import add_to_zip
from ccnet.serving.queue import Job, JobQueue
from ccnet.serving.service import Answer
from ccnet.serving.settings import Settings
from ccnet.serving.uploads import Upload

from .servers import photograph

BATCH = ("a.png", "b.png", "c.png")


class Service:
    """Gives pictures back as they came; others' fill its queue, once."""

    def __init__(self, settings: Settings, at_restore: Callable[[], object] = lambda: None) -> None:
        self.settings = settings
        self.queue = SimpleNamespace(full=True)
        self._jobs = JobQueue(1, 1)
        self._at_restore = at_restore

    def restore(self, data: bytes, _: object) -> Job[Answer]:
        self._at_restore()
        picture = Picture(np.zeros((1, 1, 3), np.uint8))
        answer = Answer(data, "png", None, "dehaze-small", {}, picture, picture)
        return self._jobs.add(lambda _: answer, 60)


def restore_batch(
    service: Service, folder: Path, at_progress: Callable[[], object] = lambda: None
) -> str:
    """Restore uploads of `BATCH` from `folder`, as the page does; gives what it tells of them."""
    served: Any = service
    uploads = [Upload(folder / name, name) for name in BATCH]
    for upload in uploads:
        upload.path.write_bytes(photograph())
        os.utime(upload.path, (0, 0))

    async def run() -> str:
        with gradio.Blocks() as blocks:
            page._several_pictures(served, folder)
        (restore,) = (function.fn for function in blocks.fns.values())
        report = ""
        async for told, _ in restore(uploads, "dehaze", 100):
            if isinstance(told, str):
                report = told
            else:
                at_progress()
                service.queue.full = False
        return report

    return asyncio.run(run())


def test_a_batch_s_files_are_kept_while_they_are_needed(tmp_path: Path) -> None:
    kept: list[set[str]] = [set()]

    def age() -> None:
        for path in tmp_path.rglob("*.*"):
            os.utime(path, (0, 0))
        kept.append(set())

    def look() -> None:
        kept[-1].update(path.name for path in tmp_path.rglob("*.*") if path.stat().st_mtime > 0)

    report = restore_batch(Service(Settings(), age), tmp_path, look)
    assert report.count("Restored with dehaze-small") == 3
    assert kept[:2] == [{*BATCH}, {*BATCH}]  # as it waits, and for the first
    assert kept[2:] == [{"b.png", "c.png", "restored.zip"}, {"c.png", "restored.zip"}]


def test_a_batch_goes_on_after_a_picture_for_which_the_disk_has_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(archive: Path, name: str, data: bytes) -> None:
        if name.startswith("02"):
            raise OSError(28, "No space left on device")
        add_to_zip(archive, name, data)

    monkeypatch.setattr(page, "add_to_zip", add)
    lines = restore_batch(Service(Settings()), tmp_path).splitlines()
    assert lines[1] == "b.png: The server had no place for the result; try again later."
    (result,) = tmp_path.rglob("restored.zip")
    with zipfile.ZipFile(result) as archive:
        assert archive.namelist() == ["01-a-restored.png", "03-c-restored.png"]


def test_no_picture_is_begun_where_the_page_keeps_as_much_as_it_may(tmp_path: Path) -> None:
    begun: list[None] = []
    service = Service(Settings(max_held_megabytes=0.001), lambda: begun.append(None))
    lines = restore_batch(service, tmp_path).splitlines()
    sentence = "The server holds as much as it may; try again later."
    assert lines == [f"{name}: {sentence}" for name in BATCH]
    assert not begun
