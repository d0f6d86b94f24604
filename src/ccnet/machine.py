"""On what something runs: devices by name, and what to say of them in reports."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from ccnet.errors import UsageError

PACKAGES = (
    "ccnet-restore",
    "torch",
    "lightning",
    "torchmetrics",
    "numpy",
    "pyvips",
    "scikit-image",
    "onnxruntime",
)
"""Those that results can hang on."""


def find_device(name: str) -> torch.device:
    """Find a device by its name; auto is the first GPU, else the CPU. Raises UsageError."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        return torch.device(there[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise UsageError(f"device={name} is not on this machine, which has {', '.join(there)}.")
    return torch.device(wanted)


def describe_machine(device: torch.device) -> str:
    """Name a GPU, or a CPU with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = describe_processor()
    threads = torch.get_num_threads()
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{name}, {on}" if device.type == "cpu" else f"{device.type.upper()} of {name}"


def describe_processor() -> str:
    """Name the CPU."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text(errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return name


def list_versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that results can hang on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # of an extra that is not installed
            continue
    return versions
