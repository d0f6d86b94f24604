"""Counting what the recogniser takes pictures for."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from ccnet.evaluation.recognition import confusion, degraded_pictures, measure
from ccnet.recognition import TASKS
from ccnet.recognition.kinds import QUALITIES, STRENGTHS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(data.astronaut()).save(tmp_path / "a.png")
    Image.fromarray(data.coffee()).save(tmp_path / "b.png")
    (tmp_path / "VAL.txt").write_text("a.png\n")
    return tmp_path


def test_the_table_has_a_row_for_each_condition_and_a_column_for_each_kind() -> None:
    counts = {"snow 0.3": Counter(snow=3, clear=1), "clear": Counter(clear=2)}
    lines = [line.replace(" ", "") for line in confusion(counts).splitlines()]
    assert lines[0] == "|picture|clear|haze|blur|snow|"
    assert lines[2:] == ["|clear|2|0|0|0|", "|snow0.3|1|0|0|3|"]


@pytest.mark.slow
def test_each_photograph_to_validate_on_is_degraded_in_every_way_and_always_the_same(
    folder: Path,
) -> None:
    first, again = list(degraded_pictures(folder)), list(degraded_pictures(folder))
    rows = [row for row, _, _ in first]
    assert len(rows) == len(set(rows)) == 1 + len(QUALITIES) + len(TASKS) * len(STRENGTHS)
    assert {name for _, name, _ in first} == {"a.png"}
    for (_, _, one), (_, _, two) in zip(first, again, strict=True):
        assert np.array_equal(one.pixels, two.pixels)
    assert len({one.pixels.tobytes() for _, _, one in first}) == len(first)


def test_pictures_are_counted_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.jpg").write_text("no picture")
    measure(folder, names=True)
    told, warned = capsys.readouterr()
    assert "broken.jpg" in warned
    lines = told.splitlines()
    assert [line.split("\t")[1:3] for line in lines[:2]] == [["a.png", "clear"], ["b.png", "clear"]]
    assert lines[-2].replace(" ", "") == f"|{folder.name}|2|0|0|0|"


def test_a_folder_called_by_a_dot_has_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    measure(Path())
    assert f"| {folder.name} " in capsys.readouterr().out


def test_photographs_that_cannot_be_degraded_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    measure(tmp_path, made=True)
    told, warned = capsys.readouterr()
    assert "right" not in told
    assert re.fullmatch(r".*broken\.jpg cannot be .*\n.*small\.png is 20 by 20 .*\n", warned)


def test_the_help_says_when_the_list_counts() -> None:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(measure)
    told = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    assert "with --made VAL.txt" in told
