"""Parameters and multiplications against counts by hand."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ccnet.evaluation.cost import count_macs, count_parameters, cpu_seconds_per_megapixel
from ccnet.network import CCNet
from ccnet.network.variants import VARIANTS


def test_a_convolution_counted_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 3, 2, 2))
    assert count_parameters(network) == 8 * 27 + 8 + 8 * 3 * 4 + 3
    assert count_macs(network) == 128 * 128 * (8 * 27) + 128 * 128 * 8 * (3 * 4)


def test_a_torchscript_program_counts_as_the_network_it_was_made_of(tmp_path: Path) -> None:
    network = nn.Conv2d(3, 3, 5, padding=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(tmp_path / "a.pt")  # type: ignore[no-untyped-call]
        program = torch.jit.load(tmp_path / "a.pt")  # type: ignore[no-untyped-call]
    assert count_macs(program) == count_macs(network) == 256 * 256 * 9 * 25


def test_a_torchscript_program_of_other_sizes_is_not_counted() -> None:
    class Small(nn.Module):
        def forward(self, batch: Tensor) -> Tensor:
            assert batch.shape[2] < 256
            return batch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert count_macs(torch.jit.script(Small())) is None


def test_the_published_network() -> None:
    network = VARIANTS["dehaze-indoor"].build()
    assert count_parameters(network) == 4_264_529
    count_macs(network)
    assert next(network.parameters()).device.type == "cpu"  # it is as it was


def test_ccnet_counted_layer_by_layer() -> None:
    network = CCNet(width=4, modules=2)
    counted = []

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        """Each value of a convolution's output, or of a transposed one's input, meets a kernel."""
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        values = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        counted.append(values.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 3, 256, 256))
    # Besides, in two stages of each scale, four strips of 11 taps on half of the channels and four
    # of 7 on the others.
    scales = ((4, 256), (8, 128), (16, 64))
    strips = sum(2 * 4 * (11 + 7) * (width // 2) * side * side for width, side in scales)
    expected = sum(counted) + strips
    assert count_macs(network) == expected


def test_the_least_time_of_one_thread_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    network, threads, batches = CCNet(2, 1), [], []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        threads.append(torch.get_num_threads())
        batches.append(tuple(inputs[0].shape))

    network.register_forward_pre_hook(note)
    clock = iter([0.0, 9.0, 10.0, 12.0, 20.0, 25.0])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert cpu_seconds_per_megapixel(network, side=128) == 2.0 / (128 * 128) * 1e6
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 1, 1]
    assert batches == [(1, 3, 128, 128)] * 3
