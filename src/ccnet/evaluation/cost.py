"""What a network costs: its parameters, its multiplications, and the machine it is timed on."""

from __future__ import annotations

import copy
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIDE = 256
"""Pixels across and down of the picture for which multiplications are counted."""

PACKAGES = ("ccnet-restore", "torch", "torchmetrics", "numpy", "pyvips", "onnxruntime")


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


def describe_machine(device: torch.device) -> str:
    """Say on what a model is timed: a GPU's name, or a CPU's with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text(errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    threads = torch.get_num_threads()
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{name}, {on}" if device.type == "cpu" else f"{device.type.upper()} of {name}"


def list_versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that results can hang on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # onnxruntime, which is optional
            continue
    return versions
