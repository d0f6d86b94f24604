"""The learning rate of a step, by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ccnet.datasets.batches import Batch
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


def test_what_is_compiled_is_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_eagerly(pyramid: Callable[..., object]) -> Callable[..., object]:
        def run(batch: Tensor) -> object:
            compiled.append(batch.shape)
            return pyramid(batch)

        return run

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    monkeypatch.setattr(RestorationModule, "global_step", 0)
    for compile_network in (False, True):
        module = RestorationModule(
            CCNet(2, 1),
            unchanged,
            names=lambda _: [],
            steps=1,
            compile_network=compile_network,
        )
        batch = Batch(0, torch.rand(2, 3, 16, 16), None)
        assert module.training_step(batch, 0).requires_grad
        assert len(compiled) == compile_network
