from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ccnet.network import CCNet
from ccnet.weights.files import save_model
from ccnet.weights.published import to_published


@pytest.fixture(scope="session")
def tiny_network() -> CCNet:
    torch.manual_seed(0)
    return CCNet(width=2, modules=1).eval()


@pytest.fixture(scope="session")
def tiny_state(tiny_network: CCNet) -> dict[str, Tensor]:
    """The tensors of `tiny_network` by their published names."""
    return to_published(tiny_network.state_dict())


def torch_saved(value: object, kind: str) -> bytes:
    """What `torch.save` writes: "zip" since torch 1.6, "legacy" before, "zip5" when asked to."""
    buffer = io.BytesIO()
    torch.save(
        value,
        buffer,
        _use_new_zipfile_serialization=kind != "legacy",
        pickle_protocol=5 if kind == "zip5" else 2,
    )
    return buffer.getvalue()


@pytest.fixture(scope="session")
def save() -> Callable[[object, str], bytes]:
    return torch_saved


@pytest.fixture(scope="session")
def whole_files(
    tiny_network: CCNet,
    tiny_state: dict[str, Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, bytes]:
    """Files of `tiny_network` in every format that can be read, by the format's name."""
    path = tmp_path_factory.mktemp("whole") / "tiny.safetensors"
    save_model(tiny_network, path, {"task": "dehaze"})
    checkpoint = {"model": OrderedDict(tiny_state)}
    kinds = ("zip", "zip5", "legacy")
    return {kind: torch_saved(checkpoint, kind) for kind in kinds} | {
        "safetensors": path.read_bytes()
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes bytes to a file, the same at every call, and gives its path."""

    def write(content: bytes) -> Path:
        path = tmp_path / "weights.pkl"
        path.write_bytes(content)
        return path

    return write


def assert_same_weights(network: CCNet, expected: CCNet) -> None:
    assert network.state_dict().keys() == expected.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected.state_dict()[name], rtol=0, atol=0)
