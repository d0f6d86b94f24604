"""The Triton form of the 9x9 depthwise convolution against PyTorch's, run by Triton's interpreter.

`tests/conftest.py` turns that on where there is no GPU.
"""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton", reason="Triton is for Linux on x86-64")

from ccnet.network import depthwise as triton_form
from ccnet.network.depthwise import COLUMNS, ROWS, depthwise, depthwise_gradient
from ccnet.network.star import Surroundings

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def relative_error(given: Tensor, expected: Tensor) -> float:
    return float((given.detach().double() - expected.detach()).norm() / expected.detach().norm())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("samples", "channels", "height", "width"),
    [
        (2, 8, 3, 70),  # more columns than one program takes
        (1, 12, 11, 5),  # channels that four at a time divide
        (1, 2, 1, 1),
        (1, 16, ROWS, COLUMNS),  # nothing left over
    ],
)
def test_agrees_with_pytorch_forwards_and_backwards(
    samples: int, channels: int, height: int, width: int
) -> None:
    generator = torch.Generator().manual_seed(height)
    shape = (samples, channels, height, width)
    features, gradient = (torch.randn(shape, generator=generator).to(DEVICE) for _ in range(2))
    kernel = torch.randn(channels, 1, 9, 9, generator=generator).to(DEVICE)
    mine = [each.clone().requires_grad_() for each in (features, kernel)]
    result = depthwise(*mine)
    assert result.is_contiguous(memory_format=torch.channels_last)
    reference = [each.double().requires_grad_() for each in (features, kernel)]
    expected = F.conv2d(reference[0], reference[1], padding=4, groups=channels)
    assert relative_error(result, expected) < 1e-6
    pairs = zip(
        torch.autograd.grad(result, mine, gradient),
        torch.autograd.grad(expected, reference, gradient.double()),
        strict=True,
    )
    assert all(relative_error(given, wanted) < 1e-6 for given, wanted in pairs)


def test_bfloat16_is_added_up_in_float32() -> None:
    """A sum of 81 equal parts would stop growing in bfloat16, whose steps widen with it."""
    features = torch.full((1, 8, 9, 9), 1.0, dtype=torch.bfloat16, device=DEVICE)
    kernel = torch.full((8, 1, 9, 9), 1 + 1 / 128, device=DEVICE)
    result = depthwise(features, kernel)
    assert result.dtype is torch.bfloat16
    assert result[0, 0, 4, 4].item() == pytest.approx(81 * (1 + 1 / 128), rel=2**-8)
    sums = depthwise_gradient(features, features)
    assert sums.dtype is torch.float32
    assert sums[0, 0, 4, 4].item() == 81


@pytest.mark.slow
def test_the_compiler_is_told_what_comes_out() -> None:
    features = torch.randn(1, 8, 5, 6, device=DEVICE, requires_grad=True)
    kernel = torch.randn(8, 1, 9, 9, device=DEVICE, requires_grad=True)
    # Dynamic shapes are left out: the height is known to the kernel's compiler.
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(depthwise, (features, kernel), test_utils=checks)
    inputs = (features.detach(), features.detach())
    torch.library.opcheck(depthwise_gradient, inputs, test_utils=checks)


class OnGpu(torch.Tensor):
    """Features that say they are on a GPU."""

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


@pytest.mark.parametrize("side", [9, 7])
def test_a_star_module_takes_it_on_a_gpu_and_only_for_nine(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert triton_form.works(torch.device("cpu"))
    taken = []

    def watched(features: Tensor, kernel: Tensor) -> Tensor:
        taken.append(kernel.shape[-1])
        convolved: Tensor = depthwise(features.as_subclass(Tensor), kernel)
        return convolved

    monkeypatch.setattr("ccnet.network.depthwise.depthwise", watched)
    torch.manual_seed(0)
    surroundings = Surroundings(4, side)
    features = torch.randn(1, 4, 6, 7)
    expected = surroundings(features)
    assert taken == []
    given = surroundings(features.as_subclass(OnGpu))
    assert taken == [9] * (side == 9)
    torch.testing.assert_close(given.as_subclass(Tensor), expected, rtol=1e-5, atol=1e-5)


def test_where_triton_does_not_run_that_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device(DEVICE)
    assert triton_form.works(device)
    triton_form._tried.cache_clear()
    monkeypatch.setattr(triton_form, "_convolve", None)
    with pytest.warns(RuntimeWarning, match="Triton does not run on"):
        assert not triton_form.works(device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not triton_form.works(device)
    triton_form._tried.cache_clear()


def test_whether_triton_runs_does_not_stop_a_compiler() -> None:
    def ask(features: Tensor) -> Tensor:
        return features + 1 if triton_form.works(features.device) else features

    compiled = torch.compile(ask, fullgraph=True, backend="eager")
    assert compiled(torch.zeros(1, device=DEVICE)) == 1
