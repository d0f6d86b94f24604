"""What is recorded and when, with a stand-in for the GPU's graphs; and the real ones on a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from ccnet.network import CCNet
from ccnet.restoration.engines import MemoryRanOut, cuda_graphs, torch_engine
from ccnet.restoration.engines.cuda_graphs import (
    KEPT,
    MOST_PIXELS,
    RECORDED_AT,
    GraphedRun,
    Recorded,
)
from ccnet.restoration.engines.torch_engine import TorchEngine


class Replayed:
    """Makes the result anew out of what is in its batch, as a graph does."""

    def __init__(self, run: cuda_graphs.Run, batch: Tensor, result: Tensor) -> None:
        self.run, self.batch, self.result = run, batch, result

    def replay(self) -> None:
        time.sleep(0.001)  # for another thread to come between
        self.result.copy_(self.run(self.batch))


def double(batch: Tensor) -> Tensor:
    return 2 * batch


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes recorded so far."""
    shapes: list[torch.Size] = []

    def record(run: cuda_graphs.Run, batch: Tensor) -> Recorded:
        shapes.append(batch.shape)
        batch = batch.clone()
        result = run(batch)
        return Recorded(Replayed(run, batch, result), batch, result)  # type: ignore[arg-type]

    monkeypatch.setattr(cuda_graphs, "record", record)
    return shapes


def batches(*shape: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.rand(*shape, generator=generator)


def test_a_shape_is_recorded_when_it_comes_again(recorded: list[torch.Size]) -> None:
    run, given = GraphedRun(double), batches(1, 3, 8, 8)
    taken = [next(given) for _ in range(RECORDED_AT + 2)]
    results = []
    for number, batch in enumerate(taken, 1):
        results.append(run(batch))
        assert len(recorded) == (number >= RECORDED_AT)
    for batch, result in zip(taken, results, strict=True):  # none was overwritten by the next
        assert torch.equal(result, 2 * batch)


def ask(run: GraphedRun, batch: Tensor, times: int = RECORDED_AT) -> None:
    for _ in range(times):
        assert torch.equal(run(batch), 2 * batch)


def test_large_batches_are_not_recorded(recorded: list[torch.Size]) -> None:
    run = GraphedRun(double)
    batch = torch.zeros(2, 1, MOST_PIXELS // 8 + 1, 4)
    ask(run, batch)
    assert recorded == []
    ask(run, batch[:, :, 1:])
    assert len(recorded) == 1


def test_few_graphs_are_kept_and_the_least_lately_used_go(recorded: list[torch.Size]) -> None:
    run = GraphedRun(double)
    shapes = [torch.zeros(1, 1, 4, side) for side in range(1, KEPT + 2)]
    for batch in shapes[:KEPT]:
        ask(run, batch)
    ask(run, shapes[0], 1)
    ask(run, shapes[KEPT])  # in the place of the second
    assert recorded == [batch.shape for batch in shapes]
    ask(run, shapes[0], 1)
    ask(run, shapes[1], RECORDED_AT - 1)
    assert len(recorded) == KEPT + 1
    ask(run, shapes[1], 1)
    assert recorded[KEPT + 1 :] == [shapes[1].shape]


def test_more_shapes_than_are_kept_do_not_drive_each_other_out(
    recorded: list[torch.Size],
) -> None:
    run = GraphedRun(double)
    shapes = [torch.zeros(1, 1, 4, side) for side in range(1, KEPT + 3)]
    for _ in range(10):
        for batch in shapes:
            ask(run, batch, 1)
    assert recorded == [batch.shape for batch in shapes]  # each once, and the last are kept


def test_what_is_released_is_new_again(recorded: list[torch.Size]) -> None:
    run, batch = GraphedRun(double), torch.ones(1, 1, 2, 2)
    for _ in range(5):  # as a server does, after each picture
        ask(run, batch, RECORDED_AT - 1)
        run.release()
    assert recorded == []
    ask(run, batch)
    run.release()
    ask(run, batch)
    assert len(recorded) == 2


def fail_to_record(
    monkeypatch: pytest.MonkeyPatch, recorded: list[torch.Size], error: RuntimeError
) -> None:
    def fail(_: cuda_graphs.Run, batch: Tensor) -> Recorded:
        recorded.append(batch.shape)
        raise error

    monkeypatch.setattr(cuda_graphs, "record", fail)


def test_without_graphs_it_is_told_once_and_done_as_before(
    monkeypatch: pytest.MonkeyPatch, recorded: list[torch.Size]
) -> None:
    fail_to_record(monkeypatch, recorded, RuntimeError("operation not permitted"))
    monkeypatch.setattr(GraphedRun, "_fails", False)  # as it is afterwards again
    run, batch = GraphedRun(double), torch.ones(1, 1, 2, 2)
    with pytest.warns(RuntimeWarning, match="cannot be recorded here, .*: operation not permitted"):
        ask(run, batch)
    ask(run, batch)
    ask(GraphedRun(double), batch)
    assert len(recorded) == 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),  # of the driver, where a graph is made ready
    ],
)
def test_memory_that_ran_out_is_asked_for_again_but_seldom(
    monkeypatch: pytest.MonkeyPatch, recorded: list[torch.Size], error: RuntimeError
) -> None:
    fail_to_record(monkeypatch, recorded, error)
    ask(GraphedRun(double), torch.ones(1, 1, 2, 2), 3 * RECORDED_AT)
    assert len(recorded) == 3


def test_threads_do_not_get_each_others_results(recorded: list[torch.Size]) -> None:
    run = GraphedRun(double)
    taken = [torch.full((1, 1, 16, 16), float(number)) for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(run, taken))
    assert [float(result.mean()) for result in results] == [2.0 * number for number in range(64)]
    assert len(recorded) == 1


def test_an_engine_graphs_what_takes_its_own_averages(recorded: list[torch.Size]) -> None:
    engine = TorchEngine(CCNet(4, 1).eval(), device="cpu", precision="float32")
    assert engine._graphed is None
    expected = engine.restore(picture())
    averages = engine.measure(picture()[0], 128)
    pinned = engine.restore(picture(), averages)
    engine._graphed = GraphedRun(partial(torch_engine.run_network, engine._network, torch.float32))
    for _ in range(RECORDED_AT + 1):
        assert np.array_equal(engine.restore(picture()), expected)
        assert np.array_equal(engine.restore(picture(), averages), pinned)
    assert len(recorded) == 1
    assert len(engine._graphed._recorded) == 1
    engine.release_memory()
    assert engine._graphed._recorded == {}


def test_memory_of_graphs_is_given_back_where_it_runs_out(recorded: list[torch.Size]) -> None:
    engine = TorchEngine(CCNet(4, 1).eval(), device="cpu", precision="float32")
    engine._graphed = GraphedRun(partial(torch_engine.run_network, engine._network, torch.float32))
    for _ in range(RECORDED_AT):
        engine.restore(picture())
    with pytest.raises(MemoryRanOut), engine._watched(picture()):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert len(recorded) == 1
    assert engine._graphed._recorded == {}


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).random((1, 128, 132, 3), dtype=np.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("shape", [(1, 128, 128), (3, 97, 150)])
def test_graphs_of_a_gpu_give_what_it_gives_without(shape: tuple[int, ...]) -> None:
    network = CCNet(8, 2).eval()
    engine = TorchEngine(network, device="cuda", precision="float16")
    generator = np.random.default_rng(0)
    assert engine._graphed is not None
    for _ in range(RECORDED_AT + 2):
        batch = generator.random((*shape, 3), dtype=np.float32)
        graphed = engine.restore(batch)
        with torch.inference_mode():
            pictures = torch.from_numpy(batch).cuda().permute(0, 3, 1, 2)
            plain = (
                torch_engine.run_network(engine._network, torch.float16, pictures)
                .clamp(0, 1)
                .permute(0, 2, 3, 1)
            )
        assert np.allclose(graphed, plain.cpu().numpy(), atol=2e-3)
    assert len(engine._graphed._recorded) == 1
