"""A network's work on an NVIDIA GPU, recorded as CUDA graphs.

Of a small picture the host is the limit: it asks for some 800 kernels one by one, which takes as
long as a megapixel takes the GPU (docs/engines.md). A graph asks for all at once.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

MOST_PIXELS = 2**20
"""Of a batch that is recorded: with more, the GPU is the limit."""

KEPT = 4
"""Graphs at most, each for one shape of batch; those used least lately go first."""

REMEMBERED = 256
"""Shapes at most of which it is known that they came before."""

Run = Callable[[Tensor], Tensor]
"""Asks a GPU for what is made of a batch on it, and waits for nothing."""


class Recorded(NamedTuple):
    """A graph, and where it reads its batch and writes what is made of it."""

    graph: torch.cuda.CUDAGraph
    batch: Tensor
    result: Tensor


class GraphedRun:
    """Does what `run` does, of shapes that come again by a graph. Threads may share it.

    Whoever restores a single picture does not pay for recording: a shape is recorded when it comes
    for the second time. Where that fails, `run` is asked as before, after a warning.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: set[torch.Size] = set()
        self._recorded: dict[torch.Size, Recorded] = {}
        self._fails = False
        self._lock = threading.Lock()

    def __call__(self, batch: Tensor) -> Tensor:
        """Give what `run` makes of `batch` (N, C, H, W), in memory of its own."""
        if self._fails or batch.shape[0] * batch.shape[2] * batch.shape[3] > MOST_PIXELS:
            return self._run(batch)
        # A graph reads and writes in one place, and streams are of the device that is current.
        with self._lock, torch.cuda.device(batch.device):
            recorded = self._find(batch)
            if recorded is None:
                return self._run(batch)
            recorded.batch.copy_(batch)
            recorded.graph.replay()
            return recorded.result.clone()

    def release(self) -> None:
        """Free the memory of all graphs."""
        with self._lock:
            self._recorded.clear()

    def _find(self, batch: Tensor) -> Recorded | None:
        shape = batch.shape
        if shape not in self._seen:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen.add(shape)
            return None
        recorded = self._recorded.pop(shape, None) or self._try_to_record(batch)
        if recorded is not None:
            self._recorded[shape] = recorded  # the last of all, for it is used now
            if len(self._recorded) > KEPT:
                del self._recorded[next(iter(self._recorded))]
        return recorded

    def _try_to_record(self, batch: Tensor) -> Recorded | None:
        try:
            return record(self._run, batch)
        except RuntimeError as error:
            self._fails = True
            warnings.warn(
                f"CUDA graphs cannot be recorded here, so small pictures take longer: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return None


def record(run: Run, batch: Tensor) -> Recorded:
    """Record what `run` asks of the GPU for batches of this shape; nothing else may use `batch`.

    Raises RuntimeError where that cannot be, or memory runs out.
    """
    batch = batch.clone()
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is only done at first cannot be recorded
        run(batch)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Other threads may use the GPU meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = run(batch)
    return Recorded(graph, batch, result)
