from __future__ import annotations

import pytest
import torch

from ccnet.errors import UsageError
from ccnet.machine import describe_machine, describe_processor, find_device, list_versions


def test_a_device_is_found_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert find_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "tpu", ""])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"device={name} is not on this machine, .*cpu"):
        find_device(name)


def test_a_report_names_the_machine_and_the_packages() -> None:
    machine = describe_machine(torch.device("cpu"))
    assert machine.startswith(f"{describe_processor()}, {torch.get_num_threads()} thread")
    assert list_versions()["torch"] == torch.__version__
