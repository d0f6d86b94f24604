"""`ccnet evaluate` as a person runs it: as a program, on pairs good and bad."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from typer.testing import CliRunner

from ccnet.cli.evaluate import evaluate
from ccnet.errors import UsageError
from ccnet.weights.registry import find_weights

APP = typer.Typer()
APP.command()(evaluate)

USUAL = "from ccnet.cli.main import run; run()"
WITHOUT = "import sys; sys.modules['{}'] = None; " + USUAL


def ccnet(
    *arguments: str | os.PathLike[str], cwd: Path, code: str = USUAL
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, "evaluate", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Five pairs in two folders, hazy and clear."""
    for number in range(5):
        clear = data.astronaut()[number * 40 : number * 40 + 60, :80]
        for kind, pixels in (("hazy", clear // 2 + 100), ("clear", clear)):
            path = tmp_path / kind / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path


@pytest.mark.slow
def test_a_model_beside_others_on_good_and_bad_pairs(folders: Path) -> None:
    (folders / "hazy" / "3.png").write_text("no picture")
    compared = ("--model", "identity", "--model", "dark-channel", "--protocol", "rgb")
    done = ccnet("dehaze", "folders", "hazy", "clear", *compared, cwd=folders)
    assert done.returncode == 1
    assert "3.png" in done.stderr
    assert "Traceback" not in done.stderr
    output = folders / "evaluation" / "dehaze-folders"
    assert sorted(path.name for path in output.iterdir()) == [
        "pictures.csv",
        "report.json",
        "report.md",
        "worst-and-best.png",
    ]
    assert done.stdout in (output / "report.md").read_text()
    assert done.stdout.startswith("| protocol | model        | PSNR mean |")
    with (output / "pictures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 3
    for row in rows:
        if row["candidate"] == "identity":
            hazy, clear = (
                np.array(Image.open(folders / kind / f"{row['picture']}.png"))
                for kind in ("hazy", "clear")
            )
            expected = peak_signal_noise_ratio(clear, hazy)
            assert float(row["psnr"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_limit_and_an_output(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--limit", "2", "--clean", "--protocol", "y", "-o", "here")
    done = ccnet("identity", "folders", "hazy", "clear", *options, cwd=folders)
    assert done.returncode == 0, done.stderr
    report = json.loads((folders / "here" / "report.json").read_text())
    (score,) = report["scores"]
    assert (score["pictures"], score["clean_psnr_mean"]) == (2, 100)
    monkeypatch.chdir(folders)
    again = ["identity", "folders", "hazy", "clear", *options]
    assert "--overwrite" in str(CliRunner().invoke(APP, again).exception)
    assert CliRunner().invoke(APP, [*again, "--overwrite"]).exit_code == 0


@pytest.mark.slow
def test_neither_a_closed_pipe_nor_a_folder_that_is_gone_loses_the_other(folders: Path) -> None:
    code = "import os; reading, writing = os.pipe(); os.dup2(writing, 1); os.close(writing); "
    code += "os.close(reading); " + USUAL
    asked = ("identity", "folders", "hazy", "clear", "--protocol", "rgb")
    done = ccnet(*asked, "-o", "closed", cwd=folders, code=code)
    assert "Traceback" not in done.stderr
    assert (folders / "closed" / "report.json").is_file()
    broken = "import ccnet.evaluation.report as report; report.NAMES = ('no/such/folder',) * 4; "
    done = ccnet(*asked, "-o", "gone", cwd=folders, code=broken + USUAL)
    assert (done.returncode, done.stdout[:10]) == (1, "| protocol")
    assert "cannot be written" in done.stderr


@pytest.mark.slow
def test_the_report_of_a_run_is_called_by_its_folder(folders: Path) -> None:
    run = folders / "runs" / "dehaze-0.5"
    run.mkdir(parents=True)
    weights = run / "weights.safetensors"
    weights.write_bytes(find_weights("dehaze").read_bytes())
    done = ccnet(weights, "folders", "hazy", "clear", "--limit", "1", cwd=folders)
    assert done.returncode == 0, done.stderr
    report = folders / "evaluation" / "dehaze-0.5-folders" / "report.md"
    assert report.read_text().startswith("# dehaze-0.5/weights.safetensors on folders, test\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["identity", "folders", "hazy", "nowhere"], "nowhere"),
        (["identity", "no-such-set", "hazy", "clear"], "no-such-set"),
        (["identity", "folders", "hazy", "clear", "--protocol", "lpips"], "lpips"),
        (["identity", "folders", "hazy", "clear", "--device", "cuda:99"], "cuda:99"),
        (["dehaze", "folders", "hazy", "clear", "--tile", "12"], "tile=12"),
        (["identity", "folders", "hazy", "clear", "-o", "hazy/0.png"], "--output"),
    ],
)
def test_wrong_usage_is_told_and_leaves_nothing(
    arguments: list[str], words: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    result = CliRunner().invoke(APP, arguments)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
    assert sorted(path.name for path in folders.iterdir()) == ["clear", "hazy"]


@pytest.mark.parametrize(
    "arguments",
    [["identity", "folders"], ["identity", "folders", "hazy", "clear", "--limit", "0"]],
)
def test_arguments_that_lack_or_lie_out_of_range(arguments: list[str]) -> None:
    assert CliRunner().invoke(APP, arguments).exit_code == 2


@pytest.mark.slow
def test_missing_extras_are_told_with_the_line_that_installs_them(folders: Path) -> None:
    asked = ("folders", "hazy", "clear")
    (folders / "a.onnx").write_bytes(b"network")
    for package, extra, model in (
        ("torchmetrics", "evaluate", "identity"),
        ("onnxruntime", "onnxruntime", "a.onnx"),
    ):
        done = ccnet(model, *asked, cwd=folders, code=WITHOUT.format(package))
        assert done.returncode == 1
        assert f'pip install "ccnet-restore[{extra}]"' in done.stderr
