"""What OpenVINO compiled, kept and read back: by whom, how long, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from ccnet.openvino_core import make_core, openvino
from ccnet.openvino_core import operators as ops
from ccnet.restoration.engines import compiled
from ccnet.restoration.engines.compiled import KEPT, VARIABLE, read_or_compile

HINTS = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache" / "ccnet"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def halving() -> openvino.Model:
    given = ops.parameter([-1, 3], np.float32)
    return openvino.Model([ops.multiply(given, np.float32(0.5))], [given])


def compile_halving(name: str = "halving", **hints: str) -> Mock:
    """Read it or compile it, and see that it halves; gives what was called where it was made."""
    make = Mock(side_effect=halving)
    model = read_or_compile(make_core(), name, make, HINTS | hints)
    assert np.array_equal(model(np.ones((2, 3), np.float32))[0], np.full((2, 3), 0.5))
    return make


def kept(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_is_compiled_once(folder: Path) -> None:
    compile_halving().assert_called_once()
    compile_halving().assert_not_called()
    assert len(kept(folder)) == 1
    compile_halving("another").assert_called_once()
    compile_halving(INFERENCE_NUM_THREADS="1").assert_called_once()
    assert len(kept(folder)) == 3


@pytest.mark.usefixtures("folder")
def test_another_version_compiles_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_halving()
    monkeypatch.setattr(openvino, "__version__", "2099.1")
    compile_halving().assert_called_once()


@pytest.mark.parametrize("cut", [True, False])
def test_what_is_damaged_is_compiled_anew(folder: Path, cut: bool) -> None:
    compile_halving()
    (file,) = kept(folder)
    whole = file.read_bytes()
    flipped = bytes([whole[-1] ^ 1])
    file.write_bytes(whole[:-1] + (b"" if cut else flipped))
    compile_halving().assert_called_once()
    compile_halving().assert_not_called()


def test_what_openvino_cannot_read_is_compiled_anew(folder: Path) -> None:
    compile_halving()
    (file,) = kept(folder)
    compiled._keep(b"something else", file)
    compile_halving().assert_called_once()
    compile_halving().assert_not_called()


@pytest.mark.parametrize("place", ["file/below", "file", "n" * 300, ""])
def test_where_nothing_can_be_kept_it_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, place and str(tmp_path / place))
    for _ in range(2):
        compile_halving().assert_called_once()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_least_lately_used_go(folder: Path) -> None:
    for number in range(KEPT):
        compile_halving(str(number))
        for file in kept(folder):  # a file system may tell no two of these apart by their times
            earlier = file.stat().st_mtime - 1
            os.utime(file, (earlier, earlier))
    compile_halving("0").assert_not_called()
    compile_halving("one more")
    assert len(kept(folder)) == KEPT
    compile_halving("0").assert_not_called()
    compile_halving("1").assert_called_once()


def test_stands_in_the_users_cache_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / name)
    compile_halving()
    assert len(kept(tmp_path / "ccnet")) == 1


def test_without_a_home_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: Path("~/.cache") / name)
    compile_halving()
    assert kept(tmp_path) == []
