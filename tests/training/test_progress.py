"""What a run says of how far it is."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import cast

import lightning
import pytest
import torch
from rich.console import Console
from torch import Tensor

from ccnet.datasets.batches import Batch
from ccnet.network import CCNet
from ccnet.training.loss import Loss
from ccnet.training.module import RestorationModule
from ccnet.training.progress import ProgressReport


def unchanged(clean: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    return clean


def said_at_step_50(minutes: float | None, *, terminal: bool) -> str:
    """What is printed by a run of 2000 steps up to its 50th."""
    said = io.StringIO()
    report = ProgressReport(Console(file=said, force_terminal=terminal, width=160), every=50)
    module = RestorationModule(
        CCNet(width=2, modules=1), unchanged, names=lambda _: [], steps=2000, minutes=minutes
    )
    module.last_loss = Loss(torch.tensor(0.25), torch.tensor(0.1), torch.tensor(1.5))
    state = SimpleNamespace(global_step=0, max_steps=2000, accumulate_grad_batches=2)
    trainer = cast(lightning.Trainer, state)
    report.on_train_start(trainer, module)
    state.global_step = 50
    batch = Batch(99, torch.zeros(1), None)
    for index in (98, 99):  # two passes, of which only the last ends a step
        report.on_train_batch_end(trainer, module, None, batch, index)
    report.teardown(trainer, module, "fit")
    assert said.getvalue().count("loss") <= 1 or terminal
    return said.getvalue()


@pytest.mark.parametrize(
    ("terminal", "steps"), [(False, "step 50/2000  loss 0.2500"), (True, "50/2000")]
)
def test_tells_a_run_of_so_many_steps_by_its_steps(terminal: bool, steps: str) -> None:
    said = said_at_step_50(None, terminal=terminal)
    assert steps in said
    assert "0.0 min" in said


@pytest.mark.parametrize(("terminal", "steps"), [(False, "step 50  loss 0.2500"), (True, "50/?")])
def test_tells_a_run_of_so_many_minutes_by_its_time(terminal: bool, steps: str) -> None:
    said = said_at_step_50(90.0, terminal=terminal)
    assert steps in said
    assert "2000" not in said
    assert "0.0 of 90 min" in said
