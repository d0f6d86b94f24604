"""What commands write about files, on a terminal and elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

USUAL = "from ccnet.cli.main import run; run()"
NAME = "a\n\x1b[31mb.png"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A picture that has a target, but is none, and one that has no target."""
    for way in ("hazy/1.png", "clear/1.png", f"hazy/{NAME}"):
        (tmp_path / way).parent.mkdir(exist_ok=True)
        (tmp_path / way).touch()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("data", "check", "gopro", NAME), ("evaluate", "identity", "folders", "hazy", "clear")],
)
def test_an_error_is_one_line_whatever_a_name_holds(
    arguments: tuple[str, ...], folders: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", USUAL, *arguments], capture_output=True, cwd=folders, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert rb"a\x0a\x1b[31mb.png" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="terminals of another kind")
def test_lines_stand_above_the_bar_on_a_terminal(folders: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", USUAL, "data", "check", "folders", "hazy", "clear"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40"}
    with subprocess.Popen(
        command, stdout=theirs, stderr=theirs, cwd=folders, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 1
    told = [rb"hazy/a\x0a\x1b[31mb.png has no target", b"hazy/1.png is empty.", b"clear/1.png is "]
    for line in told:
        assert b"\r\x1b[2K" + line in shown, "the bar is taken away first"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other side is closed
        return b""
