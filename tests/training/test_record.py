"""What is kept beside a run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ccnet.training import record


def test_the_revision_is_of_the_source_and_not_of_a_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / ".venv" / "record.py"
    installed.parent.mkdir()
    installed.write_text("")
    monkeypatch.setattr(record, "__file__", str(installed))
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    commands = (
        ["init", "--quiet"],
        [
            *("-c", "user.name=me", "-c", "user.email=me@example.org"),
            *("commit", "--quiet", "--allow-empty", "--message=mine"),
        ],
    )
    for command in commands:
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert record._git_revision() is None
    subprocess.run(["git", "add", str(installed)], cwd=tmp_path, check=True)
    revision = record._git_revision()
    assert revision is not None
    assert revision.endswith("-dirty")
