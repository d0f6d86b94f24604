"""When several processes ask each other whether to stop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ccnet.datasets.batches import Batch
from ccnet.network import CCNet
from ccnet.training import callbacks
from ccnet.training.callbacks import CheckpointOnStop
from ccnet.training.module import RestorationModule


@pytest.mark.parametrize(
    ("paces", "asked"),
    [
        ({1: 0.1}, [1, 10, 20, 30]),
        ({1: 2.0}, [*range(1, 31)]),
        ({1: 0.1, 15: 2.0, 25: 0.1}, [1, 10, *range(20, 26), 30]),
    ],
)
def test_slow_processes_ask_at_each_step_and_quick_ones_at_every_tenth(
    paces: dict[int, float], asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = pace = 0.0
    steps: list[int] = []

    def decide(decision: bool, **_: bool) -> bool:
        steps.append(trainer.global_step)
        return decision

    trainer: Any = SimpleNamespace(
        world_size=2,
        global_step=0,
        accumulate_grad_batches=1,
        val_check_batch=100,
        fit_loop=SimpleNamespace(total_batch_idx=0),
        strategy=SimpleNamespace(reduce_boolean_decision=decide),
    )
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: seconds))
    monkeypatch.setattr(RestorationModule, "global_step", 0)
    module = RestorationModule(CCNet(2, 1), None, names=lambda _: [], steps=100)
    stop = CheckpointOnStop(tmp_path / "last.ckpt")
    stop.on_train_start(trainer, module)
    try:
        for step in range(1, 31):
            pace = paces.get(step, pace)
            seconds += pace
            trainer.global_step = step
            stop.on_train_batch_end(trainer, module, None, cast(Batch, None), step - 1)
    finally:
        stop.teardown(trainer, module, "fit")
    assert sorted(set(steps)) == asked
