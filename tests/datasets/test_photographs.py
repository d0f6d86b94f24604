"""Reading photographs, splitting them, and the crops made of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ccnet.datasets.photographs import (
    Photographs,
    list_photographs,
    photographs_to_measure,
    read_photograph,
    split_photographs,
)
from ccnet.errors import PictureError, UsageError


def ramp(height: int, width: int) -> torch.Tensor:
    """A picture whose red is its row, green its column and blue 100."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    return torch.stack((rows, columns, torch.full_like(rows, 100)))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        Image.new("RGB", (8, 6)).save(folder / name)


def test_split_keeps_the_listed_names_apart(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "c.png", "d.jpg")
    (tmp_path / "notes.tsv").write_text("no picture")
    (tmp_path / "VAL.txt").write_text("\ufeffc.png\n\n  a.jpg \n", "utf-8")  # as Notepad saves
    training, validation = split_photographs(tmp_path)
    assert [path.name for path in training] == ["b.jpg", "d.jpg"]
    assert [path.name for path in validation] == ["a.jpg", "c.png"]


def test_photographs_are_the_files_that_can_be_read_and_show(tmp_path: Path) -> None:
    touch(tmp_path, "a.JPG", "b.jfif", "c.jpe", "d.avif")
    (tmp_path / "._a.jpg").write_bytes(b"what macOS notes of a.JPG")
    (tmp_path / ".jpg").write_text("a name without a suffix")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    names = [path.name for path in list_photographs(tmp_path)]
    assert names == ["a.JPG", "b.jfif", "c.jpe", "d.avif", "gone.jpg"]


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        (None, "VAL.txt is missing"),
        ("absent.jpg", "names absent.jpg"),
        ("", "no photograph for validation"),
        ("a.jpg\nb.jpg", "no photograph for training"),
    ],
)
def test_split_says_what_is_wrong(tmp_path: Path, listed: str | None, named: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    if listed is not None:
        (tmp_path / "VAL.txt").write_text(listed)
    with pytest.raises(UsageError, match=named):
        split_photographs(tmp_path)


def test_what_is_measured_is_the_list_or_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no photograph to measure"):
        photographs_to_measure(tmp_path)
    touch(tmp_path, "b.jpg", "a.jpg")
    assert [path.name for path in photographs_to_measure(tmp_path)] == ["a.jpg", "b.jpg"]
    (tmp_path / "VAL.txt").write_text("b.jpg\na.jpg")
    assert [path.name for path in photographs_to_measure(tmp_path)] == ["a.jpg", "b.jpg"]
    (tmp_path / "VAL.txt").write_text("b.jpg")
    assert [path.name for path in photographs_to_measure(tmp_path)] == ["b.jpg"]
    (tmp_path / "VAL.txt").write_text("gone.jpg")
    with pytest.raises(UsageError, match=r"names gone\.jpg"):
        photographs_to_measure(tmp_path)


@pytest.mark.parametrize("name", ["gone", "VAL.txt", "x" * 300, "\0"])
def test_split_of_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "VAL.txt").touch()
    with pytest.raises(UsageError, match=r"photos=.* is not a folder"):
        split_photographs(tmp_path / name)


def test_split_by_a_list_that_is_no_text(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "VAL.txt").write_bytes("é.jpg".encode("latin-1"))
    with pytest.raises(UsageError, match=r"VAL\.txt cannot be read as UTF-8; list in it"):
        split_photographs(tmp_path)
    (tmp_path / "VAL.txt").unlink()
    (tmp_path / "VAL.txt").mkdir()
    with pytest.raises(UsageError, match=r"VAL\.txt cannot be read: is a directory; list in it"):
        split_photographs(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_a_photograph_s_name_need_not_be_utf_8(tmp_path: Path) -> None:
    touch(tmp_path, "whole.png")
    path = (tmp_path / "whole.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    assert list_photographs(tmp_path) == [path]
    assert read_photograph(path, 100).shape == (3, 6, 8)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(PictureError, match="cannot be decoded"):
        read_photograph(path, 100)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 200, 30), (10, 200, 30)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 0), (255, 255, 255)),
        ("RGBA", (10, 200, 30, 255), (10, 200, 30)),
    ],
)
def test_any_kind_of_picture_is_read_as_three_channels(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], expected: tuple[int, ...]
) -> None:
    path = tmp_path / "picture.png"
    Image.new(mode, (40, 20), colour).save(path)
    pixels = read_photograph(path, 1000)
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (3, 20, 40)
    assert pixels[:, 10, 20].tolist() == list(expected)


def test_pictures_are_reduced_upright_and_never_enlarged(tmp_path: Path) -> None:
    picture = Image.fromarray(ramp(60, 120).permute(1, 2, 0).numpy())
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=turned, quality=95)
    assert read_photograph(tmp_path / "turned.jpg", 40).shape == (3, 40, 20)
    assert read_photograph(tmp_path / "turned.jpg", 5000).shape == (3, 120, 60)


def test_all_broken_pictures_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "whole.png")
    paths = [tmp_path / name for name in ("broken.jpg", "whole.png", "empty.png")]
    paths[0].write_text("no picture")
    paths[2].touch()
    with pytest.raises(PictureError, match=r"remove or replace broken\.jpg, empty\.png\."):
        Photographs.read(paths, long_side=64)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_cut_short_is_not_trained_on(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    assert read_photograph(whole, 64).shape == (3, 64, 64)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(PictureError, match=r"cut\.\w+ cannot be decoded"):
        read_photograph(cut, 64)


def held(pictures: list[Tensor]) -> Photographs:
    return Photographs(pictures, [str(number) for number in range(len(pictures))])


def random_crops(photographs: Photographs, count: int, crop: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return photographs.crop(photographs.random_windows(count, crop, generator), crop)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    crop=st.sampled_from([4, 32, 60]),
    seed=st.integers(0, 2**32),
)
def test_random_crops_of_any_picture(height: int, width: int, crop: int, seed: int) -> None:
    photographs = held([ramp(height, width), ramp(width, height)])
    crops = random_crops(photographs, 3, crop, seed)
    assert crops.shape == (3, 3, crop, crop)
    assert crops.dtype == torch.float32
    assert crops.min() >= 0
    assert crops.max() <= 1
    torch.testing.assert_close(crops[:, 2], torch.full_like(crops[:, 2], 100 / 255))


def test_a_photograph_of_other_channels_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((8, 6, 5), np.uint8)
    tifffile.imwrite(tmp_path / "five.tif", pixels, photometric="minisblack", planarconfig="contig")
    with pytest.raises(PictureError, match=r"five\.tif has channels besides"):
        read_photograph(tmp_path / "five.tif", 100)


def test_random_crops_are_square_windows_of_all_scales_and_places() -> None:
    crops = random_crops(held([ramp(120, 200)]), 200, 20, 1)
    pixels = crops * 255
    heights = pixels[:, 0, -1, 10] - pixels[:, 0, 0, 10]
    widths = pixels[:, 1, 10, -1] - pixels[:, 1, 10, 0]
    torch.testing.assert_close(widths.abs(), heights, rtol=0.06, atol=0.6)
    assert 80 < (widths < 0).sum() < 120, "half of the crops are mirrored"
    assert heights.min() < 22
    assert heights.max() > 100
    # Log-uniform between 20 and 120: half lie below the geometric mean.
    assert 80 < (heights < np.sqrt(20 * 120)).sum() < 120
    assert pixels[:, 0].min() < 5
    assert pixels[:, 0].max() > 115
    assert pixels[:, 1].min() < 5
    assert pixels[:, 1].max() > 195


def test_random_crops_come_from_every_photograph() -> None:
    flat = [torch.full((3, 40, 40), value, dtype=torch.uint8) for value in range(10)]
    crops = random_crops(held(flat), 400, 4, 0)
    counts = torch.bincount((crops[:, 0, 0, 0] * 255).round().long(), minlength=10)
    assert len(counts) == 10
    assert counts.min() > 15


def test_centre_crops_hold_the_largest_square() -> None:
    (crop,) = held([ramp(40, 100)]).centre_crops(40)
    torch.testing.assert_close(crop * 255, ramp(40, 100)[:, :, 30:70].float())
