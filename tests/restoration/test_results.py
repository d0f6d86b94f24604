"""Where results go, told before anything is restored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ccnet.errors import PictureError
from ccnet.restoration.results import check_folder


def test_a_closed_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    for name in ("stat", "lstat"):  # also for root, to whom no folder is closed
        known = getattr(os, name)

        def refuse(path: Any, *, known: Any = known, **options: Any) -> os.stat_result:
            if Path(path).parent == closed:
                raise PermissionError(13, "Permission denied")
            result: os.stat_result = known(path, **options)
            return result

        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != closed)
    with pytest.raises(PictureError, match=r"x\.png cannot be written: .* may not be written to"):
        check_folder(closed / "x.png")
