"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ccnet.errors import PictureError, WeightsError
from ccnet.placing import place_file, placed, sweep, without_interrupts


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    place_file(b"first", tmp_path / "a", error=PictureError)
    with pytest.raises(PictureError, match="is there already"):
        place_file(b"second", tmp_path / "a", error=PictureError)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def refuse(*_: object) -> None:
    raise OSError(1, "Operation not permitted")


def test_an_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "hardlink_to", interrupt)
    with pytest.raises(KeyboardInterrupt):
        place_file(b"half", tmp_path / "a", error=PictureError)
    assert list(tmp_path.iterdir()) == []


def test_the_error_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be written: no such file or directory"):
        place_file(b"", tmp_path / "missing" / "a", error=WeightsError)


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(5, "Input/output error")])
def test_what_fails_in_the_block_is_let_through(tmp_path: Path, error: Exception) -> None:
    """It may come from another file that is read there, or be a bug."""
    with pytest.raises(type(error)) as raised, placed(tmp_path / "a", error=PictureError):
        raise error
    assert raised.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("file/a", "cannot be written: "),
        ("a\0b", "cannot be written: "),
        ("folder", "folder is a folder; name a file in it."),
        ("pipe", "pipe is no file."),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match=told):
        place_file(b"", tmp_path / name, error=WeightsError, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(WeightsError, match=r"a cannot be written: no space left on device\.$"):
        place_file(b"", tmp_path / "a", error=WeightsError)
    assert list(tmp_path.iterdir()) == []


def test_sweeping_spares_what_may_be_in_use(tmp_path: Path) -> None:
    old, new = (tmp_path / f".ccnet-{letter * 16}.tmp" for letter in "ab")
    for path, age in ((old, 90), (new, 30)):
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    sweep(tmp_path, 60)
    assert list(tmp_path.iterdir()) == [new]
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_sweeping_removes_what_killed_processes_left_and_nothing_else(tmp_path: Path) -> None:
    for name in (".ccnet-0123456789abcdef.tmp", ".ccnet-0123456789abcdef.tmp.mp4"):
        (tmp_path / name).touch()
    others = {".ccnet-manifest.jsonl", ".ccnet-notes.tmp", "a.tmp"}
    for name in others:
        (tmp_path / name).touch()
    with placed(tmp_path / "a", error=PictureError) as temporary:
        temporary.write_bytes(b"whole")
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*others, temporary.name}
    assert (tmp_path / "a").read_bytes() == b"whole"
    sweep(tmp_path / "missing")


def test_an_interruption_waits_for_what_is_being_placed() -> None:
    done = []

    def place() -> None:
        with without_interrupts():
            signal.raise_signal(signal.SIGINT)
            done.append("placed")

    with pytest.raises(KeyboardInterrupt):
        place()
    assert done == ["placed"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with without_interrupts():
        pass


def test_other_threads_are_never_interrupted_and_hold_nothing_back() -> None:
    def place() -> None:
        with without_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers: list[object] = []
    thread = threading.Thread(target=place)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
