"""What every command shares: version, errors in one line, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ccnet
from ccnet.cli.main import app
from ccnet.weights.registry import MODELS

USUAL = "from ccnet.cli.main import run; run()"


def run(*arguments: str, debug: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", USUAL, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={"CCNET_DEBUG": debug}, check=False
    )


def test_version() -> None:
    assert run("--version").stdout == f"ccnet {ccnet.__version__}\n"


@pytest.mark.parametrize(("debug", "traceback"), [("", False), ("0", False), ("1", True)])
def test_where_an_error_came_from_is_shown_on_demand(debug: str, traceback: bool) -> None:
    done = run("models", "no-such-model", debug=debug)
    assert done.returncode == 1
    assert "No model or task is called 'no-such-model'" in done.stderr
    assert ("Traceback" in done.stderr) is traceback


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes with a name")
@pytest.mark.parametrize("command", [("data", "check"), ("evaluate", "identity")])
def test_ctrl_c_ends_with_one_line_and_leaves_nothing(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pairs.csv")
    arguments = [sys.executable, "-c", USUAL, *command, "csv", "pairs.csv"]
    with (
        subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process,
        (tmp_path / "pairs.csv").open("wb"),  # waits until it is being read
    ):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert (process.returncode, told.strip()) == (130, "ccnet: stopped.")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("cp1252", rb" \u2192 restored."), ("utf-8:strict", rb"caf\udce9.safetensors")],
)
def test_output_spells_out_what_its_encoding_lacks(
    encoding: str, told: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "caf\udce9.safetensors"
    path.symlink_to(MODELS / "dehaze-small.safetensors")
    command = [sys.executable, "-c", USUAL, "models", str(path)]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0
    assert told in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["degrade", ".", "--kind", "haze"],
        ["degrade", "missing.png", "--kind", "haze", "-o", "."],
        ["convert", "missing.pkl", "-o", "."],
        ["export", "missing.pkl", "--format", "onnx", "-o", "."],
        ["evaluate", "identity", "folders", "missing", "-o", "."],
        ["benchmark", "quality", "missing", "-o", "."],
        ["benchmark", "speed", "missing", "-o", "."],
    ],
)
def test_what_may_not_be_read_is_our_own_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typer would call it a wrong usage, of OUT too, which is only written to."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert isinstance(CliRunner().invoke(app, arguments).exception, ccnet.CCNetError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_finds_no_space_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", USUAL, "models"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "ccnet: standard output cannot be written: no space left on device.\n"
