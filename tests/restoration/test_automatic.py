"""Pictures restored without being told what is wrong with them; a clear one is left alone."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

import ccnet
from ccnet.errors import PictureError, UsageError
from ccnet.network import CCNet
from ccnet.restoration import AutoRestorer, Restorer
from ccnet.restoration import automatic as automatic_module
from ccnet.restoration import restorer as restorer_module
from ccnet.restoration.automatic import Outcome, make_restorer
from ccnet.restoration.loading import Turns
from ccnet.weights import registry
from ccnet.weights.registry import SIZES, find_model


def clear_pixels() -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.asarray(Image.fromarray(data.astronaut()).resize((160, 128)))
    return pixels


def hazy_pixels() -> NDArray[np.uint8]:
    """An even veil that leaves three tenths of the contrast."""
    return (clear_pixels() * 0.3 + 150).astype(np.uint8)


@pytest.fixture(scope="module")
def automatic() -> AutoRestorer:
    return AutoRestorer(device="cpu")


@pytest.fixture
def clear_file(tmp_path: Path) -> Path:
    path = tmp_path / "clear.jpg"
    Image.fromarray(clear_pixels()).save(path, quality=90)
    return path


@pytest.fixture
def hazy_file(tmp_path: Path) -> Path:
    path = tmp_path / "hazy.png"
    Image.fromarray(hazy_pixels()).save(path)
    return path


def test_a_hazy_picture_is_dehazed(automatic: AutoRestorer) -> None:
    hazy = hazy_pixels()
    expected = Restorer("dehaze", device="cpu")(hazy)
    assert np.array_equal(np.asarray(automatic(hazy)), expected)
    assert np.array_equal(np.asarray(ccnet.restore(hazy, device="cpu")), expected)
    image = automatic(Image.fromarray(hazy))
    assert np.array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_a_clear_picture_of_any_kind_comes_back_as_it_is(
    automatic: AutoRestorer, dtype: str, channels: int
) -> None:
    pixels: NDArray[Any] = np.dstack((clear_pixels(), clear_pixels()[:, :, :1]))
    pixels = pixels[:, :, 0] if channels == 0 else pixels[:, :, :channels]
    largest: float = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    picture = (pixels / 255 * largest).astype(dtype)
    restored = np.asarray(automatic(picture))
    assert restored.dtype == picture.dtype
    assert np.array_equal(restored, picture)
    assert restored is not picture


def test_a_clear_file_is_copied_byte_for_byte(
    automatic: AutoRestorer, clear_file: Path, tmp_path: Path
) -> None:
    for name in ("copy.jpg", "copy.JPEG", "copy"):
        target = tmp_path / "new" / name
        assert automatic.restore_file(clear_file, target) == Outcome("clear", None)
        assert target.read_bytes() == clear_file.read_bytes()
    with pytest.raises(PictureError, match="is there already"):
        automatic.restore_file(clear_file, target)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_clear_file_that_comes_through_a_pipe_is_copied_too(
    automatic: AutoRestorer, clear_file: Path, tmp_path: Path
) -> None:
    """A pipe that was read to its end gives nothing more, or keeps who asks waiting for ever."""
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[clear_file.read_bytes()])
    writer.start()
    automatic.restore_file(pipe, tmp_path / "copy.jpg")
    writer.join()
    assert (tmp_path / "copy.jpg").read_bytes() == clear_file.read_bytes()


def test_a_clear_file_is_only_encoded_anew_where_that_is_asked(
    automatic: AutoRestorer, clear_file: Path, tmp_path: Path
) -> None:
    automatic.restore_file(clear_file, tmp_path / "other.png")
    with Image.open(tmp_path / "other.png") as png, Image.open(clear_file) as jpeg:
        assert png.format == "PNG"
        assert np.abs(np.asarray(png).astype(int) - np.asarray(jpeg)).mean() < 1
    automatic.restore_file(clear_file, tmp_path / "small.jpg", quality=20)
    assert (tmp_path / "small.jpg").stat().st_size < clear_file.stat().st_size / 2


def test_a_file_is_restored(automatic: AutoRestorer, hazy_file: Path, tmp_path: Path) -> None:
    outcome = automatic.restore_file(hazy_file, tmp_path / "out.png")
    assert outcome == Outcome("haze", registry.DEFAULTS["dehaze"])
    with Image.open(tmp_path / "out.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(automatic(hazy_pixels())))


def test_strength_applies() -> None:
    assert np.array_equal(np.asarray(AutoRestorer(strength=0)(hazy_pixels())), hazy_pixels())


@pytest.mark.parametrize("size", SIZES)
def test_models_are_of_the_size_that_is_asked_for(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def load(model: str, **_: object) -> MagicMock:
        loaded.append(model)
        return MagicMock()

    monkeypatch.setattr(automatic_module, "Restorer", load)
    _, outcome = AutoRestorer(size=size).choose([np.asarray(hazy_pixels())])
    assert outcome == Outcome("haze", f"dehaze-{size}")
    arguments = {"engine": "auto", "device": "cpu", "precision": "auto", "tile": "auto"}
    make_restorer("deblur", **arguments, strength=1.0, ensemble=False, size=size)
    assert loaded == [f"dehaze-{size}", f"deblur-{size}"]
    assert {find_model(name).name for name in loaded} == set(loaded)


class Kept:
    """An engine that changes nothing and writes down when it is told to free its memory."""

    description, most_pixels, together = "none", 10**9, 1

    def __init__(self, name: str, freed: list[str]) -> None:
        self.name, self.freed = name, freed

    def restore(self, batch: NDArray[np.float32], _: object = None) -> NDArray[np.float32]:
        copied: NDArray[np.float32] = batch.copy()
        return copied

    def release_memory(self) -> None:
        self.freed.append(self.name)


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were told to free their memory, none of which are really loaded."""
    names: list[str] = []
    engines: dict[str, Kept] = {}

    def load(model: str, **_: object) -> Kept:
        return engines.setdefault(model, Kept(model, names))

    monkeypatch.setattr(restorer_module, "load_engine", load)
    monkeypatch.setattr(restorer_module, "TURNS", Turns())
    return names


def test_what_one_model_keeps_is_freed_for_the_next(freed: list[str]) -> None:
    restorer = AutoRestorer(device="cpu")
    for model in ("dehaze-small", "dehaze-small", "deblur-small", "dehaze-small"):
        restorer._restorer(model)
    assert freed == ["dehaze-small", "deblur-small"]


def test_between_calls_only_the_latest_model_keeps_memory(freed: list[str]) -> None:
    for task in ("dehaze", "dehaze", "deblur"):
        ccnet.restore(clear_pixels(), task, device="cpu", ensemble=True)
    assert freed == ["dehaze"]
    ccnet.restore(hazy_pixels(), device="cpu")
    assert sorted(freed) == ["deblur", "dehaze", "dehaze"]
    ccnet.restore(clear_pixels(), device="cpu")
    assert len(freed) == 3


def test_a_size_is_of_a_task_s_models(tiny_network: CCNet) -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UsageError, match="size=huge is none of small, large"):
        ccnet.restore(picture, size="huge")
    with pytest.raises(UsageError, match="leave it out with dehaze-small"):
        ccnet.restore(picture, model="dehaze-small", size="large")
    with pytest.raises(UsageError, match=r"leave it out with a CCNet\.$"):
        ccnet.restore(picture, model=tiny_network, size="large")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "tpu"}, "device=tpu"),
        ({"precision": "int8"}, "precision=int8"),
        ({"tile": 3}, "tile=3"),
        ({"strength": 1.5}, "strength=1.5"),
    ],
)
def test_wrong_arguments_are_named_before_any_picture(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        AutoRestorer(**options)


@pytest.mark.parametrize("picture", [3, np.zeros((4, 4, 5), np.uint8), np.full((4, 4), np.nan)])
def test_what_is_no_picture_is_refused(automatic: AutoRestorer, picture: Any) -> None:
    with pytest.raises(UsageError):
        automatic(picture)
