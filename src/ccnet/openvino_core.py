"""OpenVINO's core, which all of a process share and which is never let go.

A core gives the thread that makes it another stack for its signal handlers and takes that away when
it goes (`SigAltStackSetup` of OpenVINO's CPU plugin, pull request 11894). Where cores come and go
out of turn, a thread is left with a stack that is gone, and its next signal, as from Ctrl-C, ends
the process by a fault.
"""

from __future__ import annotations

from threading import Lock

import openvino

_cores: list[openvino.Core] = []
_making = Lock()


def openvino_core() -> openvino.Core:
    """Give the process's core, which is made when it is first asked for."""
    with _making:
        if not _cores:
            _cores.append(openvino.Core())
        return _cores[-1]


def renew_core(spent: openvino.Core) -> openvino.Core:
    """Give the core to use in place of one that ran out of memory, from now on by all."""
    with _making:
        if _cores[-1] is spent:
            _cores.append(openvino.Core())
        return _cores[-1]
