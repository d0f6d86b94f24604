"""Devices by name, with and without torch, and what reports say of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from ccnet.errors import MissingExtraError, UsageError
from ccnet.machine import (
    describe_machine,
    describe_processor,
    find_device,
    has_bfloat16,
    list_versions,
    processors,
)

CPU_FACTS = Path("/proc/cpuinfo")
NO_GPU = not (torch.cuda.is_available() or torch.backends.mps.is_available())


def test_a_device_is_found_by_name() -> None:
    assert find_device("cpu") == "cpu"
    assert torch.device(find_device("auto")).type in ("cpu", "cuda", "mps")
    if NO_GPU:
        assert find_device("auto") == "cpu"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can do this")
def test_processors_are_those_that_the_process_is_kept_to() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert processors() == len(allowed)


@pytest.mark.parametrize("name", ["cuda:99", "tpu", ""])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"device={name} is not on this machine, .*cpu"):
        find_device(name)


def test_without_torch_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert find_device("auto") == find_device("cpu") == "cpu"
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(MissingExtraError, match=rf'device={name} needs torch: pip install "'):
            find_device(name)
    with pytest.raises(UsageError, match="device=tpu is not on this machine, which has cpu"):
        find_device("tpu")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have other flags")
@pytest.mark.skipif(not CPU_FACTS.is_file(), reason="Linux tells of a processor's flags there")
def test_bfloat16_is_where_the_processor_says_that_it_has_it() -> None:
    flags = CPU_FACTS.read_text().split()
    assert has_bfloat16("cpu") == ("avx512_bf16" in flags or "amx_bf16" in flags)
    assert not has_bfloat16("mps")


@pytest.mark.skipif(sys.platform != "linux" or not NO_GPU, reason="torch tells of a GPU")
def test_the_cpu_is_found_without_importing_torch() -> None:
    code = (
        "import sys; from ccnet.machine import find_device; "
        "print(find_device('auto'), find_device('cpu'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "cpu cpu False\n"


def test_a_gpu_is_found_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccnet.machine._may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == find_device("cuda") == "cuda:0"
    assert find_device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match=r"cuda:2 is not on this machine, .*cuda:0, cuda:1, .*cpu"):
        find_device("cuda:2")


def test_a_report_names_the_machine_and_the_packages() -> None:
    machine = describe_machine("cpu")
    assert machine.startswith(f"{describe_processor()}, {torch.get_num_threads()} thread")
    versions = list_versions()
    assert versions["torch"] == torch.__version__
    assert versions["openvino"] == version("openvino")
