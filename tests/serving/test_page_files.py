from __future__ import annotations

import os
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccnet.serving.page_files import add_to_zip, check_room, forget, keep, page_folder
from ccnet.serving.refusals import Refusal

from .servers import until


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


@pytest.mark.parametrize("is_open", [False, True])
def test_a_folder_that_another_server_takes_for_a_killed_one_s_is_made_anew(
    is_open: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    really_open = os.open
    removed: list[Path] = []

    def open_meanwhile(path: Path, flags: int, **options: int) -> int:
        descriptor = really_open(path, flags, **options) if is_open else None
        if not removed:
            path.rmdir()
            removed.append(path)
        return really_open(path, flags, **options) if descriptor is None else descriptor

    monkeypatch.setattr(os, "open", open_meanwhile)
    with page_folder() as folder:
        assert removed
        assert [*tmp_path.iterdir()] == [folder]


def test_what_is_kept_counts_as_new(tmp_path: Path) -> None:
    old, kept = tmp_path / "a.png", tmp_path / "b.png"
    old.touch()
    kept.touch()

    def newer() -> bool:
        keep([kept, tmp_path / "gone.png"])
        return kept.stat().st_ctime > old.stat().st_ctime

    assert until(newer)
    forget(tmp_path, (), before=kept.stat().st_ctime)
    assert list(tmp_path.iterdir()) == [kept]


def test_files_may_not_take_more_of_the_disk_than_there_is_room_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(os.urandom(500_000))
    check_room(tmp_path, 600_000)
    with pytest.raises(Refusal, match="as much as it may") as refused:
        check_room(tmp_path, 500_000)  # the folder counts, too
    assert refused.value.code == "queue_full"
    for number in range(25):  # each of which takes a block, and its folder another
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "b.png").write_bytes(b"x")
    with pytest.raises(Refusal):
        check_room(tmp_path, 600_000)


def test_folders_may_vanish_while_their_files_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {tmp_path / "result", tmp_path / "upload"}
    for folder in folders:
        folder.mkdir()
    (tmp_path / "a.png").write_bytes(bytes(5_000))
    really_scan = os.scandir

    def scan_late(path: str | Path) -> Iterator[os.DirEntry[str]]:
        if Path(path) in folders:
            Path(path).rmdir()
        return really_scan(path)

    monkeypatch.setattr(os, "scandir", scan_late)
    check_room(tmp_path, 100_000)
    assert not any(folder.exists() for folder in folders)


def test_a_zip_is_whole_after_a_file_that_the_disk_had_no_place_for(tmp_path: Path) -> None:
    archive, large = tmp_path / "restored.zip", os.urandom(300_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("a.png", "b.png", "c.png"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # a write ends half-way there
        try:
            with pytest.raises(OSError, match="large"):
                add_to_zip(archive, "large.png", large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        add_to_zip(archive, name, name.encode() * 1_000)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["a.png", "b.png", "c.png"]
        assert opened.read("b.png") == b"b.png" * 1_000
