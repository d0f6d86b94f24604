"""On what something runs: devices by name, and what to say of them in reports."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ccnet.errors import UsageError
from ccnet.extras import require

PACKAGES = (
    "ccnet-restore",
    "torch",
    "lightning",
    "torchmetrics",
    "numpy",
    "pyvips",
    "scikit-image",
    "openvino",
    "onnxruntime",
)
"""Those that results can hang on."""

_GPU_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kfd")
"""One of which is there on Linux where PyTorch can have a GPU: NVIDIA's, WSL's or AMD's."""


def find_device(name: str) -> str:
    """Find a device by its name, as PyTorch calls it: "cpu", "cuda:N" or "mps".

    "auto" is the first GPU, else the CPU. Torch, without which there is only the CPU, is imported
    where a GPU is asked for or there may be one. Raises `UsageError` for a device that is not
    there, and `MissingExtraError` for a GPU without torch.
    """
    if name == "cpu" or (name == "auto" and not _may_have_gpu()):
        return "cpu"
    name = str(name)  # whatever else was given is told of
    if name.startswith(("cuda", "mps")):
        require("torch", f"device={name}")
    there = [*_gpus(), "cpu"]
    if name == "auto":
        return there[0]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise UsageError(f"device={name} is not on this machine, which has {', '.join(there)}.")
    return wanted


def processors() -> int:
    """Count the processors that this process may use; Linux can keep it to some of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def peak_memory() -> int:
    """Give the most bytes of memory that this process has had; 0 where no one tells (Windows)."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` gives at least what the process had that started this one
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return 1024 * int(line.split()[1])
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _may_have_gpu() -> bool:
    """Tell without torch, which takes seconds to import, whether it may find a GPU."""
    if find_spec("torch") is None:
        return False
    return not sys.platform.startswith("linux") or any(Path(file).exists() for file in _GPU_FILES)


def _gpus() -> list[str]:
    if find_spec("torch") is None:
        return []
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    return [*(f"cuda:{index}" for index in range(cuda)), *["mps"] * mps]


def has_bfloat16(device: str) -> bool:
    """Tell whether a device, as `find_device` names it, computes in bfloat16 by itself."""
    if device.startswith("cuda"):
        import torch

        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    from ccnet.openvino_core import make_core

    able: list[str] = make_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in able


def describe_machine(device: str) -> str:
    """Name a GPU, or a CPU with the number of PyTorch's threads; for those who have torch."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    name = describe_processor()
    threads = torch.get_num_threads()
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{name}, {on}" if device == "cpu" else f"{device.upper()} of {name}"


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
