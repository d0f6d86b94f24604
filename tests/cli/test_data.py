"""`ccnet data` as a person runs it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ccnet.cli.data import data
from ccnet.datasets.catalogue import LAYOUTS
from ccnet.errors import DatasetError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def ccnet(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "data"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, env=environment, check=False
    )


def picture(height: int = 16) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five pairs in two folders."""
    for folder in (tmp_path / "hazy", tmp_path / "clear"):
        folder.mkdir()
        for name in "abcde":
            (folder / f"{name}.png").write_bytes(picture())
    return tmp_path / "hazy", tmp_path / "clear"


def test_the_list_has_every_dataset_and_its_page() -> None:
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(LAYOUTS)
    for line, layout in zip(lines[::2], LAYOUTS.values(), strict=True):
        assert line.split(maxsplit=1)[1].split(maxsplit=1) == [layout.task, layout.published]


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_dataset_is_told_of_in_full(name: str) -> None:
    output = run("list", name).stdout
    layout = LAYOUTS[name]
    for fact in (layout.title, layout.task, layout.published, layout.note):
        assert fact in output
    assert [line for line in output.splitlines() if line.startswith("    ")] == [
        f"    {line}" for line in layout.sketch.splitlines()
    ]


def test_the_list_needs_no_torch() -> None:
    code = (
        "import sys\nfrom ccnet.cli.main import run\nsys.argv = ['ccnet', 'data', 'list']\n"
        "try:\n    run()\nfinally:\n    sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"reside-indoor")


def test_an_unknown_dataset_is_a_wrong_usage() -> None:
    assert isinstance(run("list", "go-pro").exception, DatasetError)
    done = ccnet("check", "go-pro", "folder")
    assert done.returncode == 2
    assert done.stderr == b"ccnet: go-pro is no dataset; did you mean gopro?\n"


def test_a_whole_dataset_is_told_of_in_one_line(folders: tuple[Path, Path]) -> None:
    result = run("check", "folders", *folders)
    assert result.exit_code == 0
    assert result.stdout == (
        "folders: train 4 pairs of 4 scenes, validation 1 pair of 1 scene, "
        "test 5 pairs of 5 scenes; 24 by 16 pixels\n"
    )


def test_the_share_to_hold_out_can_be_given(folders: tuple[Path, Path]) -> None:
    result = run("check", "folders", *folders, "--held-out", "0.99")
    assert "train 1 pair of 1 scene, validation 4 pairs" in result.stdout


def test_every_problem_has_a_line_and_the_exit_code_is_1(folders: tuple[Path, Path]) -> None:
    hazy, clear = folders
    (hazy / "a.png").write_bytes(picture()[:200])
    (hazy / "b.png").write_bytes(b"")
    (clear / "c.png").unlink()
    (clear / "d.png").write_bytes(picture(height=20))
    (clear / "extra.png").write_bytes(picture())
    done = ccnet("check", "folders", hazy, clear)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    named = [hazy / "c.png", hazy / "a.png", hazy / "b.png", hazy / "d.png"]
    assert [line.split()[0] for line in lines[:-1]] == [str(path) for path in named]
    assert lines[-1] == f"warning: {clear / 'extra.png'} is no picture's target."
    assert done.stderr.decode() == "4 problems, 1 warning in 8 pictures\n"


def test_a_warning_alone_is_no_failure(folders: tuple[Path, Path]) -> None:
    (folders[0] / "notes.txt").touch()
    result = run("check", "--quick", "folders", *folders)
    assert result.exit_code == 0
    assert result.stdout.startswith("warning: ")
    assert len(result.stdout.splitlines()) == 2


def test_names_are_bytes_on_one_line(folders: tuple[Path, Path]) -> None:
    hazy, clear = folders
    name = b"caf\xe9\n\x1b[31m.png"
    Path(os.fsdecode(os.fsencode(hazy) + b"/" + name)).write_bytes(b"")
    done = ccnet("check", "folders", hazy, clear)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert b"caf\xe9\\x0a\\x1b[31m.png has no target" in done.stdout
