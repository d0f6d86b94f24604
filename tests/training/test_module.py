"""The learning rate of a step, by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ccnet.datasets.batches import Batch
from ccnet.network import Average, CCNet
from ccnet.training.module import RestorationModule, psnr


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

    def compile_eagerly(stage: Callable[..., object], *, dynamic: bool) -> Callable[..., object]:
        def run(features: Tensor, average: Average) -> object:
            compiled.append(features.shape[1])
            return stage(features, average)

        assert not dynamic  # else the second width would be taken for one of many
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
        assert compiled == ([2, 4, 8, 8, 4, 2] if compile_network else [])


def test_a_level_rate_stays_where_it_rose_to(monkeypatch: pytest.MonkeyPatch) -> None:
    module = RestorationModule(
        CCNet(2, 1),
        unchanged,
        names=lambda _: [],
        steps=100,
        warmup=10,
        peak_rate=3e-4,
        lowest_rate=3e-4,
    )
    rates = []
    for step in range(100):
        monkeypatch.setattr(RestorationModule, "global_step", step)
        rates.append(module.rate)
    assert rates[:10] == pytest.approx([3e-5 * (step + 1) for step in range(10)])
    assert rates[10:] == pytest.approx([3e-4] * 90)


def test_a_picture_that_is_its_target_has_the_highest_psnr() -> None:
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures = torch.stack((target[0], target[1] * 0.99))
    same, close = psnr(pictures, target).tolist()
    assert same == 100
    assert 40 < close < 60
