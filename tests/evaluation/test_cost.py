"""Parameters and multiplications against counts by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from ccnet.evaluation.cost import count_macs, count_parameters
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


def test_the_published_network() -> None:
    network = VARIANTS["dehaze-indoor"].build()
    before = next(network.parameters()).device
    assert count_parameters(network) == 4_264_529
    macs = count_macs(network)
    assert macs is not None
    assert macs > 38e9  # its 3x3 convolutions, by hand, come near it
    assert next(network.parameters()).device == before
