"""One call restores whatever kind of picture people have, and gives back the same kind."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

import ccnet
from ccnet.errors import PictureError, UsageError
from ccnet.images import Picture, read_picture, write_picture
from ccnet.network import CCNet
from ccnet.restoration import AutoRestorer, Restorer
from ccnet.restoration.results import make_folder


@pytest.fixture(scope="module")
def restorer(tiny_network: CCNet) -> Restorer:
    return Restorer(tiny_network, device="cpu")


def photograph(dtype: str, channels: int, height: int = 45, width: int = 61) -> NDArray[Any]:
    """A piece of a photograph; a channel beyond 1 or 3 is an alpha of its own."""
    pixels = data.astronaut()[:height, :width]
    if channels <= 2:
        pixels = pixels[:, :, :1]
    if channels in (2, 4):
        alpha = np.arange(height * width, dtype=np.uint8).reshape(height, width)
        pixels = np.dstack((pixels, alpha))
    if channels == 0:
        pixels = pixels[:, :, 0]
    largest: float = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    scaled: NDArray[Any] = (pixels / 255 * largest).astype(dtype)
    return scaled


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_every_kind_of_array_comes_back_as_it_went(
    restorer: Restorer, dtype: str, channels: int
) -> None:
    picture = photograph(dtype, channels)
    before = picture.copy()
    restored = restorer(picture)
    assert restored.shape == picture.shape
    assert restored.dtype == picture.dtype
    assert np.array_equal(picture, before)
    assert not np.array_equal(restored, picture)
    if channels in (2, 4):
        assert np.array_equal(restored[:, :, -1], picture[:, :, -1])


def test_depths_agree_with_one_another_and_with_the_network(
    restorer: Restorer, tiny_network: CCNet
) -> None:
    picture = photograph("uint8", 3)
    exact = restorer(picture / 255)
    with torch.no_grad():
        batch = torch.from_numpy(picture / 255).float().permute(2, 0, 1)[None]
        expected = tiny_network(batch)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(exact, expected, atol=5e-5)
    assert np.abs(restorer(picture) / 255 - exact).max() <= 0.5001 / 255
    assert np.abs(restorer(picture.astype(np.uint16) * 257) / 65535 - exact).max() <= 0.6 / 65535


@settings(max_examples=12)
@given(height=st.integers(1, 140), width=st.integers(1, 140))
def test_any_size(restorer: Restorer, height: int, width: int) -> None:
    assert restorer(photograph("uint8", 3, height, width)).shape == (height, width, 3)


def test_a_very_long_picture(restorer: Restorer) -> None:
    picture = np.tile(photograph("uint8", 3, 7, 500), (1, 6, 1))
    assert restorer(picture).shape == (7, 3000, 3)


def test_strength_goes_from_nothing_to_all(tiny_network: CCNet, restorer: Restorer) -> None:
    picture = photograph("float32", 3)
    assert np.array_equal(Restorer(tiny_network, strength=0)(picture), picture)
    half = Restorer(tiny_network, strength=0.5)(picture)
    np.testing.assert_allclose(half, (picture + restorer(picture)) / 2, atol=1e-6)


def test_an_ensemble_restores_a_mirror_image_to_the_mirror_image(tiny_network: CCNet) -> None:
    picture = photograph("float32", 3)
    both_ways = Restorer(tiny_network, ensemble=True)
    mirrored = both_ways(picture[:, ::-1].copy())
    np.testing.assert_allclose(both_ways(picture), mirrored[:, ::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((4, 4, 5), np.uint8), "4x4x5"),
        (np.zeros((2, 3, 4, 3), np.uint8), "2x3x4x3"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.zeros((4, 4), np.bool_), "bool"),
        (np.full((4, 4), 255.0), "255"),
        (np.full((4, 4), np.nan), "nan"),
    ],
)
def test_other_arrays_are_refused_in_a_sentence(
    restorer: Restorer, picture: NDArray[Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        restorer(picture)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_pillow_images_come_back_in_their_mode(restorer: Restorer, mode: str) -> None:
    image = Image.fromarray(photograph("uint8", 3)).convert(mode)
    restored = restorer(image)
    assert (restored.mode, restored.size) == (image.mode, image.size)
    assert np.asarray(restored).tobytes() != np.asarray(image).tobytes()
    with pytest.raises(UsageError, match="mode P"):
        restorer(image.convert("RGB").convert("P"))


def test_files_keep_their_depth_and_what_they_say(restorer: Restorer, tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "new" / "b.png"
    alpha = photograph("uint16", 0)
    write_picture(
        Picture(photograph("uint16", 3), alpha, bits=16, resolution=(300.0, 300.0)), source
    )
    restorer.restore_file(source, target)
    restored = read_picture(target)
    assert restored.bits == 16
    assert restored.resolution == pytest.approx((300, 300), rel=1e-3)
    assert restored.alpha is not None
    assert np.array_equal(restored.alpha, alpha)
    assert np.array_equal(restored.pixels, restorer(source)[:, :, :3])
    with pytest.raises(PictureError, match="is there already"):
        restorer.restore_file(source, target)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("b.gif", {}, r"\.gif is no suffix"),
        ("b.png", {"format": "gif"}, "format=gif"),
        ("b.jpg", {"quality": 101}, "quality=101"),
        ("b.webp", {}, "holds at most 16383 pixels"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_restored(
    tiny_network: CCNet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
    words: str,
) -> None:
    def restore(*_: object, **__: object) -> None:
        raise AssertionError("restored in vain")

    write_picture(Picture(np.zeros((1, 16_384, 3), np.uint8)), tmp_path / "a.png")
    for each in (Restorer(tiny_network, device="cpu"), AutoRestorer(device="cpu")):
        monkeypatch.setattr(type(each), "restore_picture", restore)
        with pytest.raises((PictureError, UsageError), match=words):
            each.restore_file(tmp_path / "a.png", tmp_path / "new" / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.png/b.png", r"a\.png cannot be made: .*a\.png is a file\.$"),
        ("a.png/c/b.png", r"cannot be made: not a directory\.$"),
        ("a\0b/c.png", r"a\\x00b' cannot be made: embedded null"),
        ("locked/new/b.png", r"locked may not be written to\.$"),
    ],
)
def test_folders_that_cannot_be_are_told_before_anything_is_restored(
    tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    def restore(*_: object, **__: object) -> None:
        raise AssertionError("restored in vain")

    write_picture(Picture(np.zeros((9, 9, 3), np.uint8)), tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "locked")  # also for root
    for each in (Restorer(tiny_network, device="cpu"), AutoRestorer(device="cpu")):
        monkeypatch.setattr(type(each), "restore_picture", restore)
        with pytest.raises(PictureError, match=words):
            each.restore_file(tmp_path / "a.png", tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "locked"]


def test_a_name_that_no_folder_has_is_told() -> None:
    with pytest.raises(PictureError, match="embedded null"):
        make_folder(Path("a\0b"))


def test_threads_share_a_restorer(restorer: Restorer) -> None:
    pictures = [photograph("uint8", 3, 30 + index, 40) for index in range(6)]
    alone = [restorer(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(restorer, pictures))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "tpu"}, "device=tpu"),
        ({"precision": "int8"}, "precision=int8"),
        ({"tile": 3}, "tile=3"),
        ({"strength": 1.5}, "strength=1.5"),
        ({"strength": float("nan")}, "strength=nan"),
    ],
)
def test_wrong_arguments_are_named(
    tiny_network: CCNet, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Restorer(tiny_network, **options)


def test_restore_is_the_same_in_one_call(tiny_network: CCNet, restorer: Restorer) -> None:
    picture = photograph("uint8", 3)
    assert np.array_equal(np.asarray(ccnet.restore(picture, model=tiny_network)), restorer(picture))
