"""`ccnet benchmark quality` as a person runs it: as a program, on photographs good and bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from ccnet.cli.main import app
from ccnet.errors import CCNetError, UsageError, WeightsError

USUAL = "from ccnet.cli.main import run; run()"
WITHOUT = "import sys; sys.modules['skimage'] = None; " + USUAL
FILES = ["quality.json", "quality.md", "snow.png"]
QUICK = ("--kind", "snow", "--model", "identity", "--size", "64")


def ccnet(*arguments: str, cwd: Path, code: str = USUAL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, "benchmark", "quality", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs, of which two are listed."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        Image.fromarray(data.astronaut()[number * 100 :][:108, :120]).save(photos / f"{number}.png")
    (photos / "VAL.txt").write_text("0.png\n2.png\n")
    return tmp_path


@pytest.mark.slow
def test_a_report_on_the_listed_photographs(folder: Path) -> None:
    done = ccnet("photos", "-o", "report", *QUICK, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| kind | model    |")
    assert "written to report in " in done.stderr
    report = folder / "report"
    assert sorted(path.name for path in report.iterdir()) == FILES
    assert done.stdout in (report / "quality.md").read_text()
    scores = json.loads((report / "quality.json").read_text())["scores"]
    assert {score["photograph"] for score in scores} == {"0.png", "2.png"}
    assert {score["candidate"] for score in scores} == {"input", "median", "identity"}


@pytest.mark.slow
def test_a_broken_photograph_is_told_and_the_others_measured(folder: Path) -> None:
    (folder / "photos" / "0.png").write_bytes(b"no picture")
    done = ccnet("photos", *QUICK, cwd=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("ccnet: photos/0.png cannot be decoded")
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (folder / "quality").iterdir()) == FILES


def test_a_report_is_replaced_on_demand_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "report").mkdir()
    (folder / "report" / "quality.json").write_text("mine")
    asked = ["benchmark", "quality", "photos", "-o", "report", *QUICK]
    assert "--overwrite" in str(CliRunner().invoke(app, asked).exception)
    assert (folder / "report" / "quality.json").read_text() == "mine"
    assert CliRunner().invoke(app, [*asked, "--overwrite"]).exit_code == 0
    assert sorted(path.name for path in (folder / "report").iterdir()) == FILES


@pytest.mark.slow
def test_numbers_are_printed_also_where_the_folder_is_gone(folder: Path) -> None:
    breaking = "import ccnet.evaluation.quality_report as report; "
    breaking += "report.file_names = lambda kinds: ['no/page', 'no/numbers', 'no/sheet']; "
    done = ccnet("photos", *QUICK, cwd=folder, code=breaking + USUAL)
    assert (done.returncode, done.stdout[:6]) == (1, "| kind")
    assert "cannot be written" in done.stderr
    assert list((folder / "quality").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["nowhere"], UsageError, "nowhere is not a folder"),
        (["photos/0.png"], UsageError, "is not a folder"),
        (["photos", "--model", "no-such-model"], WeightsError, "no-such-model"),
        (["photos", "--model", "gone.safetensors"], WeightsError, "gone.safetensors"),
        (["photos", "--kind", "haze", "--model", "desnow-small"], UsageError, "is for desnow"),
        (["photos", "--device", "cuda:99"], UsageError, "cuda:99"),
        (["photos", "-o", "photos/0.png"], UsageError, "--output"),
    ],
)
def test_what_is_wrong_is_told_and_leaves_nothing(
    arguments: list[str],
    error: type[CCNetError],
    words: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["benchmark", "quality", *arguments])
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
    assert [path.name for path in folder.iterdir()] == ["photos"]


@pytest.mark.parametrize("option", [("--kind", "rain"), ("--size", "63")])
def test_options_out_of_range(option: tuple[str, str], folder: Path) -> None:
    asked = ["benchmark", "quality", str(folder / "photos"), *option]
    assert CliRunner().invoke(app, asked).exit_code == 2


def test_a_missing_extra_is_told_with_the_line_that_installs_it(folder: Path) -> None:
    done = ccnet("photos", *QUICK, cwd=folder, code=WITHOUT)
    assert done.returncode == 1
    assert 'pip install "ccnet-restore[evaluate]"' in done.stderr
    assert "Traceback" not in done.stderr
