"""What tests of several parts need: a small network, and the published checkpoints' tensors."""

from __future__ import annotations

import atexit
import math
import os
import shutil
import signal
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from torch import Tensor

if not torch.cuda.is_available():
    # Read when kernels are defined, which the first import of the network does.
    os.environ["TRITON_INTERPRET"] = "1"

if "CCNET_CACHE" not in os.environ:
    # One for all workers and the processes that tests start, which inherit it.
    os.environ["CCNET_CACHE"] = tempfile.mkdtemp(prefix="ccnet-tests-")
    atexit.register(shutil.rmtree, os.environ["CCNET_CACHE"], ignore_errors=True)

from ccnet.network import CCNet

# No test asserts a time: the machines that run them are shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A suite run in the background ignores Ctrl-C, and so would the processes that tests send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)

PublishedState = Callable[[str, int], dict[str, Tensor]]


@pytest.fixture(scope="session")
def data() -> Path:
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def tiny_network() -> CCNet:
    """Random weights; the dynamic strips, which start without effect, have one."""
    torch.manual_seed(0)
    network = CCNet(width=4, modules=1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.3)
    return network.eval()


@pytest.fixture(scope="session")
def published_shapes(data: Path) -> Callable[[str], dict[str, tuple[int, ...]]]:
    """Gives the shape of each tensor of the published checkpoint `its`, `csd` or `gopro`."""

    def shapes(checkpoint: str) -> dict[str, tuple[int, ...]]:
        lines = (data / f"{checkpoint}.keys.tsv").read_text().splitlines()
        pairs = (line.split("\t") for line in lines)
        return {key: tuple(map(int, shape.split("x"))) for key, shape in pairs}

    return shapes


@pytest.fixture(scope="session")
def published_state(
    published_shapes: Callable[[str], dict[str, tuple[int, ...]]],
) -> PublishedState:
    """Draws a published checkpoint's tensors as those behind the stored outputs were drawn."""

    def state(checkpoint: str, seed: int) -> dict[str, Tensor]:
        return {
            key: torch.from_numpy(draw_tensor(key, shape, seed))
            for key, shape in published_shapes(checkpoint).items()
        }

    return state


def draw_tensor(key: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Follow the rule by which the stored outputs' weights were drawn."""
    generator = np.random.default_rng([seed, zlib.crc32(key.encode())])
    values = generator.standard_normal(shape).astype(np.float32)
    leaf = key.rpartition(".")[2]
    if leaf == "gamma":
        scale, start = 0.05, 0.0
    elif leaf == "beta" or (leaf == "weight" and len(shape) == 1):
        scale, start = 0.1, 1.0
    elif len(shape) == 1:
        scale, start = 0.1, 0.0
    else:
        scale, start = 1 / math.sqrt(math.prod(shape[1:])), 0.0
    return (start + scale * values).astype(np.float32)
