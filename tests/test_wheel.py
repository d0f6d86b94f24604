"""The wheel that is published: all of the package, and small."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 60_000_000
"""Bytes."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "ccnet").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ccnet/")}
    assert packed == expected
    for kind in (
        ".safetensors",
        ".onnx",
        "small.md",
        "catalogue.json",
        ".yaml",
        "py.typed",
        ".jpg",
    ):
        assert any(name.endswith(kind) for name in packed), kind


def test_it_lists_its_models_and_recipes_wherever_it_is(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import ccnet;"
        "from ccnet.weights.registry import find_model, read_card;"
        "print(ccnet.__file__, len(read_card(find_model('dehaze'))), len(ccnet.list_models()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    file, card, models = run.stdout.rsplit(" ", 2)
    assert Path(file).is_relative_to(tmp_path)
    shipped = ROOT / "src" / "ccnet" / "weights" / "models"
    assert int(card) == len((shipped / "dehaze-small.md").read_text("utf-8"))
    assert int(models) >= len([*shipped.glob("*.safetensors")]) > 0
