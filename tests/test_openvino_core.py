"""OpenVINO reports nothing, and where its cores come and go, signals are taken as before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COME_AND_GO = """
import faulthandler, signal, sys
if sys.argv[1] == "with":
    faulthandler.enable()
from ccnet.restoration.engines.openvino_engine import OpenVinoEngine
from ccnet.weights.registry import find_onnx

path = find_onnx("dehaze-small")
engines = {name: OpenVinoEngine(path, precision="float32") for name in "abc"}
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


RESTORE = """
import sys

def refuse(event, arguments):
    if event in ("os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect"):
        sys.exit(f"{event} {arguments}")

sys.addaudithook(refuse)
import numpy as np
import ccnet

ccnet.Restorer("dehaze", engine="openvino")(np.zeros((64, 64, 3), np.uint8))
assert "openvino_telemetry" not in sys.modules
"""


def test_nothing_is_reported_to_anybody(tmp_path: Path) -> None:
    # Where an environment says that it is of a CI, OpenVINO itself reports nothing.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CI")}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RESTORE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
