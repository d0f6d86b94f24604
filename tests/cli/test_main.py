"""What every command shares: version, errors in one line, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ccnet

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_finds_no_space_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", USUAL, "models"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "ccnet: standard output cannot be written: no space left on device.\n"
