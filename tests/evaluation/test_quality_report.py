"""Quality reports as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from ccnet.errors import CCNetError, PictureError
from ccnet.evaluation.conditions import KINDS, LEVELS
from ccnet.evaluation.quality import CLEAR, INPUT, Quality, Score, measure_quality
from ccnet.evaluation.quality_report import (
    ALL,
    file_names,
    summarise,
    tables,
    to_json,
    to_markdown,
    write_quality,
)
from ccnet.images import read_picture


@pytest.fixture
def quality(tmp_path: Path) -> Quality:
    """Two photographs with snow, and a third that is broken."""
    paths = []
    for name, pixels in (("a|b.png", data.astronaut()), ("c.png", data.coffee())):
        Image.fromarray(pixels[:112, :120]).save(tmp_path / name)
        paths.append(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"")
    return measure_quality([*paths, tmp_path / "broken.png"], ["identity"], kinds=["snow"], size=64)


def score(photograph: str, level: str, psnr: float, change: float) -> Score:
    return Score(photograph, "haze", level, "model", psnr, psnr / 100, change)


def test_a_summary_counts_what_fell_by_more_than_a_decibel() -> None:
    scores = [
        score("a", "light", 20, -1.01),
        score("b", "light", 30, -1.0),
        score("a", "heavy", 10, 5),
        score("b", "heavy", 16, -3),
        Score("a", CLEAR, CLEAR, "model", 40, 0.9, None),
        Score("b", CLEAR, CLEAR, "model", 30, 0.7, None),
    ]
    found = {(row.kind, row.level): row for row in summarise(scores)}
    assert set(found) == {("haze", "light"), ("haze", "heavy"), ("haze", ALL), (CLEAR, CLEAR)}
    light, everything, clear = found["haze", "light"], found["haze", ALL], found[CLEAR, CLEAR]
    assert (light.pictures, light.psnr, light.made_worse) == (2, 25, 1)
    assert (light.worst, light.worst_photograph) == (-1.01, "a")
    assert (everything.pictures, everything.psnr, everything.made_worse) == (4, 19, 2)
    assert (everything.worst, everything.worst_photograph) == (-3, "b")
    assert everything.ssim == pytest.approx(0.19)
    assert (clear.psnr, clear.worst, clear.worst_photograph) == (35, 30, "b")
    assert clear.made_worse is None


def test_the_json_holds_every_number(quality: Quality) -> None:
    found = json.loads(to_json(quality))
    assert [Score(**one) for one in found["scores"]] == quality.scores
    assert len(found["scores"]) == 2 * (2 + 3 * 3)
    assert list(found["left_out"]) == ["broken.png"]
    assert found["size"] == 64
    assert found["strengths"] == {"snow": dict(zip(LEVELS, KINDS["snow"].strengths, strict=True))}
    assert [model["name"] for model in found["models"]] == ["median", "identity"]
    given = [one for one in quality.scores if (one.candidate, one.level) == (INPUT, "medium")]
    (summary,) = (
        one for one in found["summaries"] if (one["candidate"], one["level"]) == (INPUT, "medium")
    )
    assert summary["psnr"] == pytest.approx(np.mean([one.psnr for one in given]))


def test_the_page_has_whole_tables_and_tells_what_was_left_out(quality: Quality) -> None:
    page = to_markdown(quality)
    assert tables(quality) in page
    lines = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in lines] == [9] * (2 + 3) + [5] * (2 + 2) + [4] * (2 + 2)
    assert page.startswith("# Quality on 2 photographs\n")
    assert "a\\|b.png" in page
    assert "broken.png" in page


def test_files_are_written_whole_and_not_over_others(quality: Quality, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    write_quality(quality, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(file_names(["snow"]))
    assert json.loads((folder / "quality.json").read_text()) == json.loads(to_json(quality))
    assert read_picture(folder / "snow.png").pixels.shape[2] == 3
    before = (folder / "quality.md").read_bytes()
    with pytest.raises(CCNetError, match="is there already"):
        write_quality(quality, folder)
    assert (folder / "quality.md").read_bytes() == before
    write_quality(quality, folder, overwrite=True)


def test_numbers_are_there_also_where_a_sheet_cannot_be_drawn(
    quality: Quality, tmp_path: Path
) -> None:
    quality.photographs["c.png"].unlink()
    with pytest.raises(PictureError, match=r"c\.png"):
        write_quality(quality, tmp_path / "report")
    names = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert names == ["quality.json", "quality.md"]


def test_a_name_that_is_no_text_can_be_written(quality: Quality) -> None:
    odd = Score("\udcff.png", CLEAR, CLEAR, "median", 10.0, 0.5, None)
    quality.scores.append(odd)
    assert b"\xff.png" in to_markdown(quality).encode("utf-8", "surrogateescape")
    assert Score(**json.loads(to_json(quality))["scores"][-1]) == odd
