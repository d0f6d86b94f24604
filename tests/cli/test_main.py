"""What every command shares: version, errors in one line, and extras that are not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ccnet

BLOCKED = "import sys; sys.modules['lightning'] = None; from ccnet.cli.main import run; run()"
USUAL = "from ccnet.cli.main import run; run()"


def run(*arguments: str, code: str = USUAL, debug: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={"CCNET_DEBUG": debug}, check=False
    )


def test_version() -> None:
    assert run("--version").stdout == f"ccnet {ccnet.__version__}\n"


def test_a_missing_extra_is_told_with_the_line_that_installs_it() -> None:
    done = run("train", "dehaze-small", "photos=here", code=BLOCKED)
    assert done.returncode == 1
    assert 'pip install "ccnet-restore[train]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("debug", "traceback"), [("", False), ("0", False), ("1", True)])
def test_where_an_error_came_from_is_shown_on_demand(debug: str, traceback: bool) -> None:
    done = run("models", "no-such-model", debug=debug)
    assert done.returncode == 1
    assert "No model or task is called 'no-such-model'" in done.stderr
    assert ("Traceback" in done.stderr) is traceback
