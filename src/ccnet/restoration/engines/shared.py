"""What engines have in common."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccnet.restoration.engines.engine import Floats, MemoryRanOut

CPU_BYTES = 2 << 30
"""Working memory on a CPU: fixed, so that the same picture comes out the same on a busy day."""

NOT_FINITE = "The network gives numbers that are not finite; its weights are broken."


def threads() -> int | None:
    """How many threads `OMP_NUM_THREADS` asks for; None leaves it to the engine."""
    number = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(number) if number.isdecimal() and int(number) else None


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; engines in C++ say it in words of their own."""
    words = ("bad_alloc", "allocate", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


@contextmanager
def memory_watched(batch: Floats, then: Callable[[], object] | None = None) -> Iterator[None]:
    """Raise `MemoryRanOut` where an engine says so of `batch` (N, H, W, 3), after `then` is done.

    Whatever else it raises is let through, for engines' errors have no base of their own.
    """
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        if then is not None:
            then()
        raise MemoryRanOut(math.prod(batch.shape[:3])) from error


def trim_memory() -> None:
    """Give the system back what was freed, where the C library keeps it (glibc).

    Between pieces that are in use it keeps hundreds of megabytes of an engine's work.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def warn_of_overflow(precision: str) -> None:
    """Warn that what a lower precision overflows in is done again."""
    warnings.warn(
        f"{precision} overflowed, and the picture is restored in float32.",
        RuntimeWarning,
        stacklevel=3,
    )


def to_channels_first(batch: Floats) -> Floats:
    """(N, H, W, 3) to (N, 3, H, W)."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32)


def shallow_inputs_of(batch: Floats, core: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """Fill in the inputs of an ONNX file's part for the shallow inputs."""
    return {"pictures": to_channels_first(batch), "core": np.array(core, np.int64)}


def inputs_of(
    batch: Floats, given: Floats, core: tuple[int, ...], count: int
) -> dict[str, NDArray[Any]]:
    """Fill in an ONNX file's inputs; NaN stands for those of `count` averages not `given`."""
    averages = np.full((1, count), np.nan, np.float32)
    averages[0, : len(given)] = given
    return shallow_inputs_of(batch, core) | {"averages": averages}


def to_pictures(restored: Floats) -> Floats:
    """(N, 3, H, W) to a new (N, H, W, 3) in [0, 1]."""
    pictures = np.ascontiguousarray(restored.transpose(0, 2, 3, 1))
    return np.clip(pictures, 0, 1, out=pictures if pictures.flags.writeable else None)
