"""Cores of OpenVINO come and go, and signals are taken as before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COME_AND_GO = """
import faulthandler, signal, sys
if sys.argv[1] == "with":
    faulthandler.enable()
from ccnet.restoration.engines.openvino_engine import OpenVinoEngine
from ccnet.weights.registry import find_onnx

path = find_onnx("dehaze-small")
engines = {name: OpenVinoEngine(path) for name in "abc"}
for name in sys.argv[2]:
    del engines[name]
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    sys.exit(77)
"""


@pytest.mark.parametrize("order", ["abc", "bca", "cab"])
@pytest.mark.parametrize("faulthandler", ["with", "without"])
def test_ctrl_c_is_no_fault_once_engines_have_gone(order: str, faulthandler: str) -> None:
    command = [sys.executable, "-c", COME_AND_GO, faulthandler, order]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 77, done.stderr
