from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from ccnet.serving.page_files import forget, page_folder


def test_old_files_go_and_new_ones_and_examples_stay(tmp_path: Path) -> None:
    names = ("example/coast.jpg", "upload/a.png", "result/b.png")
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    examples = {tmp_path / "example", tmp_path / "example" / "coast.jpg"}
    forget(tmp_path, examples, before=time.time() - 600)
    assert all((tmp_path / name).exists() for name in names)
    forget(tmp_path, examples, before=time.time() + 1)
    assert set(tmp_path.rglob("*")) == examples


def test_a_folder_is_private_and_goes_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "ccnet-serve-left").mkdir()  # by a server that was killed
    (tmp_path / "ccnet-serve-left" / "picture.png").touch()
    with page_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == os.getuid()
        (folder / "picture.png").touch()
        with page_folder() as other:
            assert set(tmp_path.iterdir()) == {folder, other}
    assert list(tmp_path.iterdir()) == []
