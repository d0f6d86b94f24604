"""One core of OpenVINO for a process, which a signal may reach at any time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ccnet.openvino_core import openvino_core, renew_core

COME_AND_GO = """
import signal, sys
from ccnet.restoration.engines.openvino_engine import OpenVinoEngine
from ccnet.weights.registry import find_onnx

path = find_onnx("dehaze-small")
first = OpenVinoEngine(path)
second = OpenVinoEngine(path)
del first
del second
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    sys.exit(77)
"""


def test_ctrl_c_is_no_fault_after_engines_came_and_went() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COME_AND_GO], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 77


def test_one_that_ran_out_of_memory_is_replaced_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ccnet.openvino_core._cores", [])
    spent = openvino_core()
    assert openvino_core() is spent
    fresh = renew_core(spent)
    assert fresh is not spent
    assert renew_core(spent) is fresh
    assert openvino_core() is fresh
