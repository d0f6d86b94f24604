from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread, main_thread

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ccnet.network import Average, CCNet, picture_average
from ccnet.network.ccnet import Block, keep_shallow_exact


def padded_by_numpy(batch: np.ndarray) -> np.ndarray:
    """Reflect to the right and below up to 124 and to multiples of 4."""
    for axis in (2, 3):
        length = batch.shape[axis]
        widths = [(0, 0)] * 4
        widths[axis] = (0, max(124, -(-length // 4) * 4) - length)
        batch = np.pad(batch, widths, mode="reflect" if length > 1 else "edge")
    return batch


@settings(max_examples=20)
@given(height=st.integers(1, 180), width=st.integers(1, 180), seed=st.integers(0, 2**31))
@example(1, 1, 0)
@example(1, 300, 0)
@example(123, 125, 0)
@example(7, 200, 0)
@example(124, 128, 0)
def test_restores_pictures_of_any_size_as_padded_and_cropped(
    small_network: CCNet, height: int, width: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32)
    with torch.no_grad():
        restored = small_network(torch.from_numpy(picture))
        of_padded = small_network(torch.from_numpy(padded_by_numpy(picture)))
    assert restored.shape == (1, 3, height, width)
    torch.testing.assert_close(restored, of_padded[:, :, :height, :width], rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@pytest.mark.parametrize("size", [(124, 140), (9, 33)])
def test_a_batch_comes_out_as_its_pictures_one_by_one(
    size: tuple[int, int], training: bool
) -> None:
    torch.manual_seed(1)
    # In double precision, where sums in another order differ by far less than anything shared.
    network = CCNet(width=4, modules=2).double().train(training)
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter)
    # The pictures' brightnesses differ widely, so that averages shared by mistake would show.
    brightness = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    batch = torch.rand(3, 3, *size, dtype=torch.float64) * brightness
    with torch.no_grad():
        together = network(batch)
        alone = torch.cat([network(picture[None]) for picture in batch])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("size", [(124, 152), (4, 8), (64, 200)])
def test_the_pyramid_has_a_quarter_and_a_half_and_all_of_the_size(
    small_network: CCNet, size: tuple[int, int]
) -> None:
    batch = torch.rand(2, 3, *size)
    with torch.no_grad():
        quarter, half, full = small_network.forward_pyramid(batch)
        alone = small_network(batch)
    assert quarter.shape == (2, 3, size[0] // 4, size[1] // 4)
    assert half.shape == (2, 3, size[0] // 2, size[1] // 2)
    torch.testing.assert_close(full, alone, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(126, 124), (124, 125)])
def test_the_pyramid_refuses_other_sides_than_multiples_of_four(
    small_network: CCNet, size: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match=f"multiples of 4, not {size[0]}x{size[1]}"):
        small_network.forward_pyramid(torch.rand(1, 3, *size))


@pytest.mark.parametrize(("width", "modules"), [(0, 1), (3, 1), (-2, 1), (4, 0)])
def test_refuses_widths_and_modules_that_cannot_be(width: int, modules: int) -> None:
    with pytest.raises(ValueError, match=f"not {width} and {modules}"):
        CCNet(width=width, modules=modules)


@pytest.mark.parametrize(("depthwise", "strips"), [(8, (11, 7)), (1, None), (9, (11, 6))])
def test_refuses_even_kernels_and_strips(depthwise: int, strips: tuple[int, int] | None) -> None:
    with pytest.raises(ValueError, match="odd kernels and strips from 3 up"):
        CCNet(width=2, modules=1, depthwise=depthwise, strips=strips)


def test_refuses_a_block_there_is_none_of() -> None:
    with pytest.raises(ValueError, match="star or residual blocks, not dense"):
        CCNet(block="dense")  # type: ignore[arg-type]


@settings(max_examples=15)
@given(
    block=st.sampled_from(["star", "residual"]),
    depthwise=st.sampled_from([3, 11]),
    strips=st.sampled_from([None, (3, 3), (5, 9), (13, 7)]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 200)),
)
def test_every_variant_takes_pictures_of_any_size(
    block: Block, depthwise: int, strips: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = CCNet(2, 1, block=block, depthwise=depthwise, strips=strips).eval()
    with torch.no_grad():
        restored = network(torch.rand(1, 3, *size))
    assert restored.shape == (1, 3, *size)
    assert restored.isfinite().all()


@pytest.mark.parametrize("block", ["star", "residual"])
def test_every_parameter_has_a_gradient_in_training(block: Block) -> None:
    torch.manual_seed(2)
    network = CCNet(width=2, modules=2, block=block).train()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.normal_(parameter, std=0.1)
    loss = sum(
        output.abs().mean() for output in network.forward_pyramid(torch.rand(1, 3, 128, 124))
    )
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    without = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


def test_the_shallow_inputs_are_kept_out_of_autocast() -> None:
    torch.manual_seed(0)
    network = CCNet(4, 1).eval()
    # A hazy wall: small differences, which bfloat16 rounds to a few levels.
    pictures = 0.8 + 0.01 * torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        exact = network.shallow_half(pictures)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network.shallow_half(pictures).float()
            keep_shallow_exact(network, "cpu")
            kept = network.shallow_half(pictures)
            assert network(pictures).isfinite().all()
    assert torch.equal(kept, exact)
    assert (rounded - exact).abs().mean() > 0.02


def test_threads_leave_each_others_autocast_alone() -> None:
    """One begins outside autocast; another, inside, begins while it runs and ends after it."""
    network = CCNet(4, 1).eval()
    forward = network.shallow_half.forward
    begun, go_on = Event(), Event()

    def overlapping(picture: Tensor, average: Average = picture_average) -> Tensor:
        if current_thread() is main_thread():
            go_on.set()
            assert not outside.result(20)
        else:
            begun.set()
            assert go_on.wait(20)
        return forward(picture, average)

    def run() -> bool:
        network.shallow_half(pictures)
        return torch.is_autocast_enabled("cpu")

    network.shallow_half.forward = overlapping  # type: ignore[method-assign]
    keep_shallow_exact(network, "cpu")
    pictures = torch.rand(1, 3, 16, 16)
    with ThreadPoolExecutor(1) as pool, torch.autocast("cpu", torch.bfloat16):
        outside = pool.submit(run)
        assert begun.wait(20)
        assert run()
