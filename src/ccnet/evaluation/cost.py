"""What a network costs: its parameters, its multiplications, and a processor's time."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ccnet.network import CCNet
from ccnet.restoration import Restorer

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
        except (RuntimeError, torch.jit.Error):
            return None
    return int(counter.get_total_flops()) // 2


MEGAPIXEL = 1000
"""Pixels across and down of the picture that is timed."""

ATTEMPTS = 3


def cpu_seconds_per_megapixel(network: CCNet, *, side: int = MEGAPIXEL) -> float:
    """Measure what one core takes to restore a million pixels, in float32 and without tiles.

    The least of three times that the processor spent in this process on a picture of noise, `side`
    pixels across and down: other work on the machine then counts little.
    """
    restorer = Restorer(network, device="cpu", precision="float32", tile="off")
    noise = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(ATTEMPTS):
            started = time.process_time()
            restorer(noise)
            seconds.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return min(seconds) / side**2 * 1e6
