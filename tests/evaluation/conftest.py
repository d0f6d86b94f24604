"""Pairs of pictures on disk, and a small network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from ccnet.datasets.pairs import Pair
from ccnet.network import CCNet
from ccnet.weights.files import save_model


@pytest.fixture
def network() -> CCNet:
    """A tiny network that visibly changes pictures."""
    torch.manual_seed(0)
    return CCNet(width=4, modules=1).eval()


@pytest.fixture
def weights(network: CCNet, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_model(network, path, {"task": "dehaze", "name": "tiny"})
    return path


@pytest.fixture
def write_pair(tmp_path: Path) -> Callable[[str, int, int], Pair]:
    """Writes a hazy picture and its target, of a height and width, each name another part."""
    return lambda name, height, width: _write_pair(tmp_path, name, height, width)


def _write_pair(folder: Path, name: str, height: int, width: int) -> Pair:
    shift = sum(name.encode()) % 50
    clear = np.tile(data.astronaut(), (1, 2, 1))[shift : shift + height, shift : shift + width]
    hazy = np.rint(clear * 0.6 + 80).astype(np.uint8)
    paths = []
    for kind, pixels in (("hazy", hazy), ("clear", clear)):
        path = folder / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        paths.append(path)
    return Pair(name, paths[0], paths[1], scene=name)
