"""`ccnet compare` on files and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from ccnet.cli.main import app
from ccnet.errors import PictureError, UsageError


def photograph(path: Path, darker: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(data.astronaut()[:60, 200:280].astype(int) - darker, 0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def run(*arguments: object) -> tuple[int, list[str], str]:
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout.splitlines(), done.stderr


def test_two_files(tmp_path: Path) -> None:
    first, second = photograph(tmp_path / "a.png"), photograph(tmp_path / "b.png", 1)
    code, (line,), _ = run(first, second, "-o", tmp_path / "both.png")
    with Image.open(first) as one, Image.open(second) as other:
        squares = np.square(np.asarray(one).astype(float) - np.asarray(other)).mean()
    assert code == 0
    assert line.startswith(f"{10 * np.log10(255**2 / squares):.2f} dB, SSIM ")
    with Image.open(tmp_path / "both.png") as both:
        assert both.size == (162, 60)
    run(first, second, "-o", tmp_path / "apart.png", "--difference")
    with Image.open(tmp_path / "apart.png") as apart:
        assert apart.size == (80, 60)
        assert np.asarray(apart).max() == 4


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    for name in ("x.png", "deep/y.png", "alone.png"):
        photograph(tmp_path / "a" / name)
    for name in ("x.png", "deep/y.webp", "other.png"):
        photograph(tmp_path / "b" / name, 9)
    (tmp_path / "a" / "x.txt").touch()
    code, lines, faults = run(tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert code == 1
    assert [line.partition(": ")[0] for line in lines] == [
        "x.png",
        "deep/y.png",
        "mean of 2 that differ",
    ]
    assert f"{tmp_path / 'a' / 'alone.png'} has no partner" in faults
    assert f"{tmp_path / 'b' / 'other.png'} has no partner" in faults
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"x.png", "deep/y.png"}


def test_pictures_that_differ_by_suffix_have_comparisons_of_their_own(tmp_path: Path) -> None:
    for folder, darker in (("a", 0), ("b", 9)):
        for name in ("x.jpg", "x.png", "x.webp"):
            photograph(tmp_path / folder / name, darker)
    out = tmp_path / "out"
    for options in ((), ("--overwrite",)):
        code, lines, faults = run(tmp_path / "a", tmp_path / "b", "-o", out, *options)
        assert (code, len(lines), faults) == (0, 4, "")
        assert {path.name for path in out.iterdir()} == {"x.png", "x.png.png", "x.webp.png"}


def test_each_picture_has_one_partner_and_equal_ones_are_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png", "b-compare.png", "a.png-compare.png"):
        photograph(tmp_path / "first" / name)
    for name in ("a.png", "b.png"):
        photograph(tmp_path / "second" / name, 0 if name == "a.png" else 5)
    code, lines, faults = run(tmp_path / "first", tmp_path / "second")
    assert code == 1
    assert f"{tmp_path / 'first' / 'a.jpg'} has no partner" in faults
    assert "compare.png" not in faults
    named = [line.partition(": ")[0] for line in lines]
    assert named == ["a.png", "b.png", "mean of 1 that differ", "1 equal"]
    assert lines[0].startswith("a.png: inf dB")
    assert lines[2].partition(": ")[2] == lines[1].partition(": ")[2]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nothing\.png is not there"):
        run(photograph(tmp_path / "a.png"), tmp_path / "nothing.png")


def test_what_cannot_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look, link = os.stat, tmp_path / "link.png"

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if path in (link, str(link)):
            raise PermissionError(13, "Permission denied")
        return look(path, **options)

    link.symlink_to("closed/a.png")
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(PictureError, match=r"link\.png "):
        run(photograph(tmp_path / "a.png"), link)


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    first = photograph(tmp_path / "a.png")
    with pytest.raises(UsageError, match="two files or two folders"):
        run(first, tmp_path)
    with pytest.raises(UsageError, match="-o"):
        run(first, first, "--difference")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    with pytest.raises(PictureError, match=r"small\.png: One picture is 80 by 60"):
        run(first, tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="hold no pictures"):
        run(tmp_path / "empty", tmp_path / "empty")
