"""What a network costs: its parameters and its multiplications."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIDE = 256
"""Pixels across and down of the picture for which multiplications are counted."""


def count_parameters(network: nn.Module) -> int | None:
    """Count what a network has learnt; None where it holds only constants, as if frozen."""
    return sum(parameter.numel() for parameter in network.parameters()) or None


def count_macs(network: nn.Module) -> int | None:
    """Count the multiply-accumulates of one 256x256 picture.

    Convolutions, transposed convolutions and matrix products as PyTorch's FlopCounterMode counts
    them, an addition with its multiplication as one; what costs little, such as norms, activations
    and products of two maps, is left out, as is usual. Nothing is computed for it, but by a
    TorchScript program, and None is for one that does not take this size.
    """
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    if not isinstance(network, torch.jit.ScriptModule):
        device = torch.device("meta")
        network = copy.deepcopy(network).to(device).eval()  # CCNet trains by another, dearer way
    batch = torch.zeros(1, 3, SIDE, SIDE, device=device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        try:
            network(batch)
        except RuntimeError:
            return None
    return int(counter.get_total_flops()) // 2
