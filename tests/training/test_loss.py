"""The loss against the published code's numbers (tests/data/loss.npz)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ccnet.training.loss import (
    content_loss,
    frequency_loss,
    restoration_loss,
    target_pyramid,
)

DATA = Path(__file__).parents[1] / "data" / "loss.npz"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    with np.load(DATA) as arrays:
        return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays}


def outputs_of(published: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    return [published[f"pred_{scale}"] for scale in ("quarter", "half", "full")]


def test_parts_and_total_are_the_published_ones(published: dict[str, torch.Tensor]) -> None:
    outputs, target = outputs_of(published), published["target"]
    targets = target_pyramid(target)
    assert content_loss(outputs, targets).item() == pytest.approx(
        published["content"].item(), rel=1e-5
    )
    assert frequency_loss(outputs, targets).item() == pytest.approx(
        published["fft"].item(), rel=1e-5
    )
    assert restoration_loss(outputs, target).total.item() == pytest.approx(
        published["total"].item(), rel=1e-5
    )


def test_gradient_is_that_of_the_definition(published: dict[str, torch.Tensor]) -> None:
    outputs = [output.double().requires_grad_() for output in outputs_of(published)]
    targets = target_pyramid(published["target"].double())
    defined = torch.zeros((), dtype=torch.float64)
    for output, target in zip(outputs, targets, strict=True):
        error = torch.fft.fft2(output) - torch.fft.fft2(target)
        parts = torch.stack((error.real, error.imag))
        defined = defined + (output - target).abs().mean() + 0.1 * parts.abs().mean()
    made = [output.detach().float().requires_grad_() for output in outputs]
    ours = torch.autograd.grad(restoration_loss(made, published["target"]).total, made)
    for one, reference in zip(ours, torch.autograd.grad(defined, outputs), strict=True):
        torch.testing.assert_close(one, reference.float(), rtol=1e-3, atol=1e-8)


def test_half_precision_and_autocast_change_nothing(published: dict[str, torch.Tensor]) -> None:
    outputs = [output.bfloat16().requires_grad_() for output in outputs_of(published)]
    target = published["target"].bfloat16()
    exact = [output.detach().float().requires_grad_() for output in outputs]
    with torch.autocast("cpu", torch.bfloat16):
        loss = restoration_loss(outputs, target).total
    expected = restoration_loss(exact, target.float()).total
    assert loss.dtype == torch.float32
    assert loss.item() == expected.item()
    ours, reference = torch.autograd.grad(loss, outputs), torch.autograd.grad(expected, exact)
    for one, other in zip(ours, reference, strict=True):
        assert torch.equal(one, other.bfloat16())
