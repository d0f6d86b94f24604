"""The 9x9 depthwise convolution on a GPU: ours in Triton against PyTorch's, forwards and backwards.

Prints milliseconds for the features of 16 crops of 256 pixels in bfloat16 at each of the three
scales of the published width, and how many times ours is faster than PyTorch with features that are
channels-last, as the rest of the network has them, and with those that are not.

    python benchmarks/depthwise.py
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.network import on_gpu

SAMPLES = 16
SCALES = ((40, 256), (80, 128), (160, 64))


def main() -> None:
    if not torch.cuda.is_available() or on_gpu.depthwise is None:
        raise SystemExit("This benchmark needs a GPU with CUDA, and Triton.")

    torch.backends.cudnn.benchmark = True
    print(torch.cuda.get_device_name())
    for channels, side in SCALES:
        shape = (SAMPLES, channels, side, side)
        features = torch.randn(shape, device="cuda", dtype=torch.bfloat16)
        kernel = torch.randn(channels, 1, 9, 9, device="cuda")
        last = features.contiguous(memory_format=torch.channels_last)
        ours = times(on_gpu.depthwise.depthwise, last, kernel)
        print(
            f"{channels} channels, {side} pixels: ours {ours[0]:.2f} and {ours[1]:.2f} ms", end=""
        )
        for layout in (torch.channels_last, torch.contiguous_format):
            theirs = times(plain, features.contiguous(memory_format=layout), kernel.bfloat16())
            ratios = " and ".join(f"{b / a:.1f}" for a, b in zip(ours, theirs, strict=True))
            print(f"; {ratios} times faster than {layout}", end="")
        print()


def plain(features: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(features, kernel, padding=4, groups=len(kernel))


def times(
    convolve: Callable[[Tensor, Tensor], Tensor], features: Tensor, kernel: Tensor
) -> tuple[float, float]:
    """Median milliseconds forwards, and backwards to both inputs."""
    from triton.testing import do_bench  # type: ignore[import-untyped]

    inputs = (features.requires_grad_(), kernel.requires_grad_())
    result = convolve(*inputs)
    gradient = torch.randn_like(result)

    def back() -> None:
        torch.autograd.grad(result, inputs, gradient, retain_graph=True)

    forwards = do_bench(lambda: convolve(*inputs), return_mode="median")
    return float(forwards), float(do_bench(back, return_mode="median"))


if __name__ == "__main__":
    main()
