"""Which of several processes this one is.

torchrun says so in the environment. Without it Lightning starts the others itself, and says to each
of them but the first which one it is.
"""

from __future__ import annotations

import os

import torch


def processes(devices: int) -> int:
    """How many train together, on all machines; `devices` on this one where torchrun is not."""
    return _from_torchrun("WORLD_SIZE", devices)


def processes_here(devices: int) -> int:
    """How many train together on this machine."""
    return _from_torchrun("LOCAL_WORLD_SIZE", devices)


def rank() -> int:
    """This process's number among all, from 0."""
    return _from_torchrun("RANK", int(os.environ.get("LOCAL_RANK", 0)))


def _from_torchrun(name: str, otherwise: int) -> int:
    # Lightning sets some of the same names, which outlive the run that it set them for.
    distributed = torch.distributed.is_available()  # not in every build of torch
    launched = distributed and torch.distributed.is_torchelastic_launched()
    return int(os.environ[name]) if launched else otherwise
