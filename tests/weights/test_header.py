"""What a network was made with, read off its tensors' shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights.files import read_network, save_checkpoint, save_model


@pytest.mark.parametrize(
    "network",
    [
        CCNet(2, 2, block="residual"),
        CCNet(2, 1, block="residual", strips=None),
        CCNet(2, 2, strips=None),
        CCNet(2, 1, depthwise=3, strips=(5, 9)),
    ],
    ids=["residual", "residual without strips", "without strips", "other kernels"],
)
def test_every_variant_is_known_by_its_tensors(network: CCNet, tmp_path: Path) -> None:
    save_model(network, tmp_path / "model.safetensors", {})
    save_checkpoint(network, tmp_path / "model.pkl")
    for file in ("model.safetensors", "model.pkl"):
        read = read_network(tmp_path / file)
        torch.testing.assert_close(read.state_dict(), network.state_dict(), rtol=0, atol=0)
        for name in ("block", "depthwise", "strips", "smallest"):
            assert getattr(read, name) == getattr(network, name)


@pytest.mark.parametrize("taps", [65, 4, 1])
def test_refuses_kernels_that_no_network_has(taps: int, tmp_path: Path) -> None:
    state = CCNet(2, 1).state_dict()
    state["encoder_full.modules_.0.surroundings.weight"] = torch.zeros(2, 1, taps, taps)
    safetensors.torch.save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=f"none has a kernel of {taps} and strips of 11 and 7"):
        read_network(tmp_path / "odd.safetensors")
