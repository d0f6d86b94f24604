"""The learning rate of a step, by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ccnet.network import CCNet
from ccnet.training.module import RestorationModule


def unchanged(clean: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    return clean


@pytest.mark.parametrize("run", ["reside_indoor", "reside_outdoor"])
def test_an_epoch_s_rate_is_the_published_one_at_all_its_steps(
    data: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    rates = json.loads((data / "schedule_and_metrics.json").read_text())["learning_rates"][run]
    epoch_steps = 7
    module = RestorationModule(
        CCNet(2, 1),
        unchanged,
        names=lambda _: [],
        steps=rates["epochs"] * epoch_steps,
        warmup=rates["warmup"],
        epoch_steps=epoch_steps,
    )
    for epoch, published in enumerate(rates["lr"]):
        for place in (0, epoch_steps - 1):
            step = epoch * epoch_steps + place
            monkeypatch.setattr(RestorationModule, "global_step", step)
            # The published scheduler overshoots the peak a little after the warm-up.
            assert module.rate == pytest.approx(published, rel=0.005), f"epoch {epoch}"
