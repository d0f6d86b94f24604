"""Files that fail in ways nobody expected, between others that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

import ccnet.images
from ccnet.images import Picture, write_picture
from ccnet.restoration.automatic import AutoRestorer, Outcome
from ccnet.runs import pipeline as pipelines
from ccnet.runs.folders import Job, plan
from ccnet.runs.pipeline import Pipeline, Result, Task
from ccnet.runs.request import Request

WIDTHS = (40, 41, 42)
"""Of three pictures, by which the second of them is told from the others."""


class Restorer:
    """One that changes nothing, as far as a pipeline asks for it."""

    engine = "none"

    def restore_picture(self, picture: Picture, *, progress: object = None) -> Picture:
        return picture


def break_at_second(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Wrap a function so that it fails for the second picture; `place` is the argument's."""

    def broken(*arguments: Any, **options: Any) -> Any:
        given = arguments[place]
        if (
            str(given).endswith("1.png")
            or getattr(given, "pixels", np.empty((1, 1))).shape[1] == 41
        ):
            raise RuntimeError("broken\n in two")
        return function(*arguments, **options)

    return broken


@pytest.mark.parametrize("stage", ["read", "restore", "write"])
def test_an_unexpected_error_fails_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    for index, width in enumerate(WIDTHS):
        pixels = np.ascontiguousarray(data.astronaut()[:40, :width])
        (tmp_path / "in").mkdir(exist_ok=True)
        write_picture(Picture(pixels), tmp_path / "in" / f"{index}.png")
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", None)
    results: list[Result] = []
    if stage == "restore":
        monkeypatch.setattr(
            Restorer, "restore_picture", break_at_second(Restorer.restore_picture, 1)
        )
    else:
        name = f"{stage}_picture"
        monkeypatch.setattr(pipelines, name, break_at_second(getattr(ccnet.images, name), 0))
    pipeline = Pipeline(Request(model="none"), Restorer(), results.append)  # type: ignore[arg-type]
    pipeline.run(iter([Task(number, job) for number, job in enumerate(jobs)]))
    assert [result.number for result in results] == [0, 1, 2]
    assert [result.fault for result in results] == [
        None,
        "There was an unexpected error, RuntimeError: broken in two.",
        None,
    ]
    assert "in broken" in str(results[1].trace)
    assert [bool(result.written and result.written.is_file()) for result in results] == [
        True,
        False,
        True,
    ]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_source_that_cannot_be_looked_at_is_a_fault(tmp_path: Path) -> None:
    results: list[Result] = []
    source = tmp_path / ("n" * 300 + ".png")
    pipeline = Pipeline(Request(model="none"), Restorer(), results.append)  # type: ignore[arg-type]
    pipeline.run(iter([Task(0, Job(source, tmp_path / "out.png", folder=tmp_path))]))
    assert results[0].fault == f"{source} cannot be read: file name too long."


def test_what_its_format_cannot_hold_is_told_before_it_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for index, width in enumerate((40, 16_384, 42)):
        pixels = np.zeros((1, width, 3), np.uint8)
        write_picture(Picture(pixels), tmp_path / "in" / f"{index}.png")
    restored: list[int] = []

    def restore_picture(_: Restorer, picture: Picture, **__: object) -> Picture:
        restored.append(picture.pixels.shape[1])
        return picture

    monkeypatch.setattr(Restorer, "restore_picture", restore_picture)
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", "webp")
    results: list[Result] = []
    request = Request(model="none", format="webp")
    Pipeline(request, Restorer(), results.append).run(  # type: ignore[arg-type]
        iter([Task(number, job) for number, job in enumerate(jobs)])
    )
    assert restored == [40, 42]
    assert [result.written is not None for result in results] == [True, False, True]
    fault = str(results[1].fault)
    assert fault.startswith(f"{tmp_path}/out/1.webp ")
    assert "holds at most 16383 pixels" in fault


def test_a_folder_that_cannot_be_made_is_told_before_restoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "0.png"
    write_picture(Picture(np.zeros((1, 40, 3), np.uint8)), source)
    monkeypatch.setattr(Restorer, "restore_picture", lambda *_, **__: pytest.fail("restored"))
    results: list[Result] = []
    pipeline = Pipeline(Request(model="none"), Restorer(), results.append)  # type: ignore[arg-type]
    pipeline.run(iter([Task(0, Job(source, source / "1.png"))]))
    # Where it may be clear and its file be copied, that needs a folder, too.
    monkeypatch.setattr(AutoRestorer, "restore_picture", lambda *_, **__: pytest.fail("restored"))
    automatic = Pipeline(Request(), AutoRestorer(device="cpu"), results.append)
    automatic.run(iter([Task(1, Job(source, source / "1.png"))]))
    told = f"{source} cannot be made: {source} is a file."
    assert [result.fault for result in results] == [told, told]


def test_a_clear_picture_that_is_left_alone_need_not_fit_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    write_picture(Picture(np.zeros((1, 16_384, 3), np.uint8)), tmp_path / "in" / "0.png")

    def find_clear(_: AutoRestorer, picture: Picture, **__: object) -> tuple[Picture, Outcome]:
        return picture, Outcome("clear", None)

    monkeypatch.setattr(AutoRestorer, "restore_picture", find_clear)
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", "webp")
    results: list[Result] = []
    request = Request(model=None, format="webp", leave_clear=True)
    Pipeline(request, AutoRestorer(device="cpu"), results.append).run(iter([Task(0, jobs[0])]))
    assert [(result.fault, result.written) for result in results] == [(None, None)]
