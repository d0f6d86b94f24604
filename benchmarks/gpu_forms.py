"""What the network's Triton forms are worth on a GPU where nothing is learned, against PyTorch's.

    python benchmarks/gpu_forms.py [--model deblur-large] [--size 1024]

First milliseconds of each form and of PyTorch's own, under autocast to float16, for the features of
one picture of 1024x1024 pixels at the published width, channels-last. Then those of the whole
network for one made picture of --size squared, which is on the GPU already: in plain float32
without TF32 and with PyTorch's defaults, and in float16, channels-last, as the engine runs it,
without any Triton form, with all, without one at a time, and with all as a CUDA graph. Prints them,
the ratio to the first, and the PSNR in dB to what the first gives.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from types import ModuleType
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

import ccnet
from ccnet.network import CCNet, on_gpu
from ccnet.network.ccnet import keep_shallow_exact
from ccnet.network.integration import LargeDynamicIntegrationModule, filter_by_convolution
from ccnet.restoration.engines.cuda_graphs import record
from ccnet.restoration.engines.torch_engine import run_network

CHANNELS = 40
SIDE = 1024
TAPS, DILATION = 11, 6
Run = Callable[[], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description="Triton forms on a GPU.")
    parser.add_argument("--model", default="deblur-large")
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    if not torch.cuda.is_available() or on_gpu.depthwise is None:
        raise SystemExit("This benchmark needs a GPU with CUDA, and Triton.")

    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    torch.manual_seed(0)
    with torch.inference_mode():
        measure_forms()
        measure_network(ccnet.load_network(options.model), made_picture(options.size))


def measure_forms() -> None:
    print(f"{CHANNELS} channels (a strip: {CHANNELS // 2}), {SIDE}x{SIDE}, float16, ms:")
    for name, (form, run) in runs_of_forms().items():
        with torch.autocast("cuda", torch.float16):
            ours = milliseconds(run)
            with in_pytorch(form):
                theirs = milliseconds(run)
        print(f"  {name:<36} Triton {ours:7.3f}, PyTorch {theirs:7.3f}, ratio {theirs / ours:5.1f}")


def runs_of_forms() -> dict[str, tuple[str, Run]]:
    """What is run of each form, and the form's name; forms are looked up when it is run."""
    features, plain = made_features(), made_features()
    half = features.chunk(2, dim=1)[0]
    kernel = torch.randn(CHANNELS, 1, 9, 9, device="cuda")
    weight, bias = torch.randn(2, CHANNELS, device="cuda")
    filters = torch.rand(1, TAPS, device="cuda")
    integration = LargeDynamicIntegrationModule(CHANNELS).eval().to("cuda")

    def strip(horizontal: bool) -> Tensor:
        filtered: Tensor = on_gpu.strips.strip(half, filters, DILATION, horizontal)
        return filtered

    return {
        "depthwise": ("depthwise", lambda: on_gpu.depthwise.depthwise(features, kernel)),
        "channel_norm": (
            "channel_norm",
            lambda: on_gpu.channel_norm.channel_norm(features, weight, bias, 1e-5),
        ),
        "star_tail": ("star_tail", lambda: on_gpu.star_tail.star_tail(features, bias, plain)),
        f"strip of {TAPS} taps, along rows": ("strip", partial(strip, horizontal=True)),
        f"strip of {TAPS} taps, along columns": ("strip", partial(strip, horizontal=False)),
        "the whole integration": ("strip", partial(integration, features)),
    }


def measure_network(network: CCNet, picture: Tensor) -> None:
    print(f"one picture of {picture.shape[3]}x{picture.shape[2]}:")
    first: tuple[float, Tensor] | None = None
    for name, run in ways(network, picture):
        restored = run().clone()  # for a CUDA graph writes to the same memory again
        taken = milliseconds(run)
        first = first or (taken, restored)
        psnr = decibels(restored, first[1])
        print(f"  {name:<36} {taken:8.2f} ms, ratio {first[0] / taken:4.1f}, PSNR {psnr:5.1f} dB")


def ways(network: CCNet, picture: Tensor) -> Iterator[tuple[str, Run]]:
    """Each way to restore `picture`, which holds until the next one is asked for."""
    plain, picture = network.requires_grad_(False).to("cuda"), picture.to("cuda")
    no_triton = mock.patch.object(on_gpu, "depthwise", None)  # as where Triton is not installed
    with no_triton:
        torch.backends.cudnn.allow_tf32 = False
        yield "plain float32, no TF32", partial(plain, picture)
        torch.backends.cudnn.allow_tf32 = True
        yield "plain float32, PyTorch's defaults", partial(plain, picture)

    turned = copy.deepcopy(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_shallow_exact(turned, "cuda")
    picture = picture.contiguous(memory_format=torch.channels_last)
    restore = partial(run_network, turned, torch.float16)
    in_half = partial(restore, picture)
    with no_triton:
        yield "float16, nothing in Triton", in_half
    yield "float16, all in Triton", in_half
    for form in FORMS:
        with in_pytorch(form):
            yield f"float16, without {form}", in_half
    yield "float16, all as a CUDA graph", as_graph(restore, picture)


def as_graph(run: Callable[[Tensor], Tensor], picture: Tensor) -> Run:
    """`run` of `picture` as the engine records it; all results are in one place."""
    recorded = record(run, picture)

    def replay() -> Tensor:
        recorded.graph.replay()
        return recorded.result

    return replay


def in_pytorch(form: str) -> AbstractContextManager[object]:
    """Let the network take PyTorch's own for one of `FORMS`."""
    module, reference = FORMS[form]
    return mock.patch.object(module, form, reference)


def convolve(features: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(features, kernel, padding=4, groups=len(kernel))


def norm(features: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    pixels = features.permute(0, 2, 3, 1)
    return F.layer_norm(pixels, weight.shape, weight, bias, eps).permute(0, 3, 1, 2)


def end_star(convolved: Tensor, bias: Tensor, plain: Tensor) -> Tensor:
    return F.gelu(F.gelu(convolved + bias.to(convolved.dtype)[:, None, None]) * plain)


def filter_strip(
    features: Tensor,
    filters: Tensor,
    dilation: int,
    horizontal: bool,
    original: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    rows = features if horizontal else features.transpose(2, 3)
    filtered = filter_by_convolution(rows, filters.expand(len(features), -1), dilation)
    filtered = filtered if horizontal else filtered.transpose(2, 3)
    if original is None or gamma is None or beta is None:
        return filtered
    return gamma * filtered + beta * original


FORMS: dict[str, tuple[ModuleType, Callable[..., Tensor]]] = {
    "depthwise": (on_gpu.depthwise, convolve),
    "channel_norm": (on_gpu.channel_norm, norm),
    "star_tail": (on_gpu.star_tail, end_star),
    "strip": (on_gpu.strips, filter_strip),
}
"""Each form's name in its module, that module, and the same by PyTorch, for use under autocast."""


def made_features() -> Tensor:
    features = torch.randn(1, CHANNELS, SIDE, SIDE, device="cuda", dtype=torch.float16)
    return features.contiguous(memory_format=torch.channels_last)


def made_picture(side: int) -> Tensor:
    """Soft noise of several scales, (1, 3, side, side) in [0, 1]."""
    generator = torch.Generator().manual_seed(side)
    picture = torch.zeros(1, 3, side, side)
    for cells in (3, 9, 27, 81):
        noise = torch.rand(1, 3, cells, cells, generator=generator) / math.sqrt(cells)
        picture += F.interpolate(noise, (side, side), mode="bicubic", align_corners=False)
    picture -= picture.amin()
    return picture / picture.amax()


def decibels(given: Tensor, expected: Tensor) -> float:
    error = float((given.double() - expected.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def milliseconds(run: Run) -> float:
    from triton.testing import do_bench  # type: ignore[import-untyped]

    return float(do_bench(run, rep=200, return_mode="median"))


if __name__ == "__main__":
    main()
