"""A network's work on an NVIDIA GPU, recorded as CUDA graphs.

Of a small picture the host is the limit: it asks for some 800 kernels one by one, which takes as
long as half a megapixel takes the GPU (docs/engines.md). A graph asks for all at once.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ccnet.restoration.engines.shared import ran_out

MOST_PIXELS = 2**19
"""Of a batch that is recorded: with more, the GPU is the limit, and graphs keep much memory."""

KEPT = 2
"""Graphs at most, each for one shape of batch; the one used least lately goes first."""

RECORDED_AT = 3
"""Which batch of a shape: who restores a picture, or it and its mirror image, is not kept waiting
for what will not come again."""

REMEMBERED = 256
"""Shapes at most of which it is known that they came before."""

RECORDING = threading.Lock()
"""PyTorch lets a process record one graph at a time."""

Run = Callable[[Tensor], Tensor]
"""Asks the GPU that is current for what is made of a batch on it, and waits for nothing."""


class Recorded(NamedTuple):
    """A graph, and where it reads its batch and writes what is made of it."""

    graph: torch.cuda.CUDAGraph
    batch: Tensor
    result: Tensor


class GraphedRun:
    """Does what `run` does, of small batches whose shape comes again by a graph.

    Threads may share it as long as they ask the GPU on one stream, as they do unless told
    otherwise. Where recording fails, of which PyTorch's allocator may not recover whole, there is a
    warning, and no other graph is recorded in the process.
    """

    _fails = False

    def __init__(self, run: Run) -> None:
        self._run = run
        self._times: dict[torch.Size, int] = {}
        self._recorded: dict[torch.Size, Recorded] = {}
        self._lock = threading.Lock()

    def __call__(self, batch: Tensor) -> Tensor:
        """Give what `run` makes of `batch` (N, C, H, W), in memory of its own."""
        if self._fails or batch.shape[0] * batch.shape[2] * batch.shape[3] > MOST_PIXELS:
            return self._run(batch)
        with self._lock:  # a graph reads and writes in one place
            recorded = self._find(batch)
            if recorded is not None:
                recorded.batch.copy_(batch)
                recorded.graph.replay()
                return recorded.result.clone()
        return self._run(batch)

    def release(self) -> None:
        """Give the memory of all graphs back to PyTorch, and forget which shapes came before."""
        with self._lock:
            self._recorded.clear()
            self._times.clear()

    def _find(self, batch: Tensor) -> Recorded | None:
        shape = batch.shape
        recorded = self._recorded.pop(shape, None)
        if recorded is not None:
            # What is kept still serves, so that nothing takes its place which comes as seldom.
            self._times.clear()
        else:
            if len(self._times) >= REMEMBERED:
                self._times.clear()
            self._times[shape] = self._times.get(shape, 0) + 1
            if self._times[shape] < RECORDED_AT:
                return None
            if len(self._recorded) >= KEPT:
                del self._recorded[next(iter(self._recorded))]
            recorded = self._try_to_record(batch)
            del self._times[shape]  # where there was no room, it is tried as seldom again
        if recorded is not None:
            self._recorded[shape] = recorded  # the last of all, for it is used now
        return recorded

    def _try_to_record(self, batch: Tensor) -> Recorded | None:
        try:
            return record(self._run, batch)
        except RuntimeError as error:
            if not ran_out(error):
                GraphedRun._fails = True
                warnings.warn(
                    "CUDA graphs cannot be recorded here, so small pictures take longer, and "
                    f"memory of the attempt may stay taken: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return None


def record(run: Run, batch: Tensor) -> Recorded:
    """Record what `run` asks of the GPU for batches of the shape and layout of `batch`.

    Raises RuntimeError where that cannot be, also for want of memory.
    """
    given = batch.clone()
    now = torch.cuda.current_stream()
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    # Recording that fails would else leave its stream behind as the one that is current.
    with RECORDING, torch.cuda.stream(now):
        aside.wait_stream(now)
        with torch.cuda.stream(aside):  # what is only done at first cannot be recorded
            run(given)
        now.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile.
        with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            result = run(given)
    return Recorded(graph, given, result)
