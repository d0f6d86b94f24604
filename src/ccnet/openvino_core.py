"""OpenVINO, kept from reporting to others and from taking away the process's signals.

Imported as it is, it tells Google Analytics so, by a process that is forked from ours with all that
it holds, and leaves a folder in the user's home. It can do without what sends that.

A core's CPU plugin gives the thread that loads it another stack for signal handlers, and as it goes
puts back the one that it found (`SigAltStackSetup`, OpenVINO's pull request 11894). Where two come
and go, what the second one puts back can be what the first one took along, and the next signal,
Ctrl-C for one, ends the process by a fault. So each thread gets its own stack back at once.
"""

from __future__ import annotations

import ctypes
import sys

_TELEMETRY = "openvino_telemetry"

_blocks = _TELEMETRY not in sys.modules
if _blocks:
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # so that it cannot be imported
try:
    import openvino
    from openvino import opset13 as operators
finally:
    if _blocks:
        del sys.modules[_TELEMETRY]

__all__ = ["make_core", "openvino", "operators"]


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (
        ("start", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


_kept: list[openvino.Core] = []


def make_core() -> openvino.Core:
    """Make a core with its CPU plugin loaded."""
    if sys.platform != "linux":
        return openvino.Core()
    before = _SignalStack()
    system = ctypes.CDLL(None)
    system.sigaltstack(None, ctypes.byref(before))
    core = openvino.Core()
    core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if system.sigaltstack(ctypes.byref(before), None):
        _kept.append(core)  # the old stack is too small for this CPU's registers; the new one stays
    return core
