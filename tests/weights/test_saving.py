"""Writing weights: whole, or not at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import read_metadata, read_network, save_checkpoint, save_model

from .conftest import assert_same_weights


def test_keeps_metadata_and_states_the_size(tiny_network: CCNet, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(tiny_network, path, {"task": "dehaze", "name": "é 雾", "width": "untrue"})
    metadata = read_metadata(path)
    assert (metadata["task"], metadata["name"]) == ("dehaze", "é 雾")
    assert (metadata["width"], metadata["modules"]) == ("2", "1")


@pytest.mark.parametrize("larger", [{"depthwise": 65}, {"strips": (65, 7)}])
def test_writes_nothing_that_could_not_be_read(larger: dict[str, Any], tmp_path: Path) -> None:
    network = CCNet(width=2, modules=1, **larger)
    for save in (partial(save_model, metadata={}), save_checkpoint):
        with pytest.raises(WeightsError, match="No file can hold this network: none has a kernel"):
            save(network, tmp_path / "large")
    assert not list(tmp_path.iterdir())


def test_writes_no_half_of_what_float16_cannot_hold(tmp_path: Path) -> None:
    network = CCNet(width=2, modules=1)
    nn.init.constant_(network.enter.weight, 1e5)
    with pytest.raises(WeightsError, match=r"its tensor enter\.weight is not finite in float16\.$"):
        save_model(network, tmp_path / "half", {}, half=True)
    assert not list(tmp_path.iterdir())
    save_model(network, tmp_path / "whole", {})
    assert_same_weights(read_network(tmp_path / "whole"), network)


def test_a_checkpoint_has_no_metadata(tiny_network: CCNet, tmp_path: Path) -> None:
    save_checkpoint(tiny_network, tmp_path / "tiny.pkl")
    assert read_metadata(tmp_path / "tiny.pkl") == {}


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny.pkl"])
def test_replaces_a_file_only_when_told(name: str, tiny_network: CCNet, tmp_path: Path) -> None:
    path = tmp_path / name

    def save(overwrite: bool) -> None:
        if name.endswith(".pkl"):
            save_checkpoint(tiny_network, path, overwrite=overwrite)
        else:
            save_model(tiny_network, path, {}, overwrite=overwrite)

    path.write_text("mine")
    with pytest.raises(WeightsError, match=f"{name} is there already"):
        save(overwrite=False)
    assert path.read_text() == "mine"
    save(overwrite=True)
    assert_same_weights(read_network(path), tiny_network)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.safetensors"
    path.write_text("mine")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(WeightsError, match="cannot be written: no space left on device"):
        save_model(tiny_network, path, {}, overwrite=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_tells_of_a_folder_that_is_not_there(tiny_network: CCNet, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.pkl cannot be written: no such file"):
        save_checkpoint(tiny_network, tmp_path / "none" / "tiny.pkl")
