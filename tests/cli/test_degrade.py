"""`ccnet degrade` on real files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

from ccnet.cli.main import app
from ccnet.errors import PictureError
from ccnet.images import Picture, read_picture, write_picture


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    pixels = data.astronaut()[100:180, 150:250].astype(np.uint16) * 257
    alpha = np.arange(80 * 100, dtype=np.uint16).reshape(80, 100)
    path = tmp_path / "clean.png"
    write_picture(Picture(pixels, alpha, bits=16), path)
    return path


def degrade(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["degrade", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_haze_keeps_depth_and_alpha(clean: Path) -> None:
    written = degrade(clean, "--kind", "haze", "--strength", 0.9, "--seed", 0)  # without noise
    assert written == str(clean.with_name("clean-haze.png"))
    hazy, before = read_picture(written), read_picture(clean)
    assert hazy.bits == 16
    assert hazy.pixels.dtype == np.uint16
    # What is far fades more than what is near, so contrast is compared between neighbours.
    contrasts = [np.abs(np.diff(one.pixels.astype(float), axis=1)).mean() for one in (hazy, before)]
    assert contrasts[0] < 0.7 * contrasts[1]
    assert hazy.alpha is not None
    assert before.alpha is not None
    assert np.array_equal(hazy.alpha, before.alpha)


@pytest.mark.parametrize("kind", ["haze", "blur", "snow"])
def test_a_seed_makes_the_same_again(clean: Path, tmp_path: Path, kind: str) -> None:
    one, other = tmp_path / "new" / "a.png", tmp_path / "new" / "b.png"
    for path in (one, other):
        degrade(clean, "--kind", kind, "--strength", 0.5, "--seed", 4, "-o", path)
    assert one.read_bytes() == other.read_bytes()
    same = np.array_equal(read_picture(one).pixels, read_picture(clean).pixels)
    assert not same


def test_a_seed_that_is_too_large_is_refused(clean: Path) -> None:
    largest = 2**63 - 1
    degrade(clean, "--kind", "haze", "--seed", largest)
    wrong = CliRunner().invoke(app, ["degrade", str(clean), "--kind=haze", f"--seed={largest + 1}"])
    assert wrong.exit_code == 2
    assert "--seed" in wrong.output


@pytest.mark.parametrize("kind", ["haze", "blur", "snow"])
def test_strength_0_leaves_every_bit(clean: Path, tmp_path: Path, kind: str) -> None:
    degrade(clean, "--kind", kind, "--strength", 0, "-o", tmp_path / "same.png")
    same = read_picture(tmp_path / "same.png")
    assert np.array_equal(same.pixels, read_picture(clean).pixels)


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_is_no_picture(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PictureError, match=rf"^{re.escape(folder)} cannot be read: is a directory"):
        degrade(folder, "--kind", "haze")


def test_nothing_is_overwritten_unless_asked(clean: Path) -> None:
    before = clean.read_bytes()
    with pytest.raises(PictureError, match="is there already"):
        degrade(clean, "--kind", "haze", "-o", clean)
    assert clean.read_bytes() == before
    degrade(clean, "--kind", "haze", "--strength", 0.9, "-o", clean, "--overwrite")
    assert clean.read_bytes() != before
