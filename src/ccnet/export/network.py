"""CCNet as an ONNX graph, made from its inference form (`network/inference.py`), module by module.

Built by hand, not traced: tracing fixes the sizes that padding, reflection and batches hang on.
Nothing here can drift from the network unseen, for every export is compared with it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor, nn

from ccnet.export.graph import Graph
from ccnet.network import CCNet, SharedAverages
from ccnet.network.ccnet import PictureNorm, ShallowInput, Stage
from ccnet.network.inference import ShiftedStrip, for_inference
from ccnet.network.integration import LargeDynamicIntegrationModule
from ccnet.network.padding import MULTIPLE
from ccnet.network.residual import ResidualModule
from ccnet.network.star import EfficientResidualStarModule

Average = Callable[[str], str]
"""Gives the averages (N, C, 1, 1) of features (N, C, H, W), or (1, C, 1, 1) for all of them."""

SHALLOW = 4
"""How many averages the shallow inputs ask for, before all others."""

_BATCH = ("batch", 3, "height", "width")


def build_model(
    network: CCNet, *, averages: bool, half: bool, beside: bool, metadata: Mapping[str, str]
) -> ModelProto:
    """Build the ONNX model of a network, with the inputs and outputs that docs/export.md tells.

    With `half` it holds its weights in float16, and with `beside` none: each then has to be added
    by its name in the network, in float32 or float16.
    """
    form = for_inference(network)
    graph = Graph(form, half=half or beside)
    pictures = graph.input("pictures", _BATCH)
    if not averages:
        own = partial(graph.average, axes=(2, 3))
        graph.output("restored", _network(graph, form, pictures, lambda _: own), _BATCH)
        return graph.model("ccnet", metadata, beside=beside)
    lengths, order = _average_order(form)
    pins = graph.input("averages", (1, len(order)))
    pins = graph.add("Gather", pins, graph.constant(order), axis=1)
    parts = PartAverages(graph, graph.input("core", (4,), np.int64), graph.split(pins, lengths))
    graph.output("restored", _network(graph, form, pictures, parts), _BATCH)
    measured = graph.join(*parts.own)
    measured = graph.add("Gather", measured, graph.constant(np.argsort(order)), axis=1)
    graph.output("measured", measured, (1, len(order)))
    shallow = base64.b64encode(_shallow_model(form, beside).SerializeToString()).decode()
    return graph.model("ccnet", {**metadata, "shallow": shallow}, beside=beside)


def _shallow_model(network: CCNet, beside: bool) -> ModelProto:
    """Build the part that measures the averages of the shallow inputs, a fiftieth of the work."""
    graph = Graph(network, half=beside)
    padded = _pad_to_fit(graph, graph.input("pictures", _BATCH), network.smallest)
    parts = PartAverages(graph, graph.input("core", (4,), np.int64))
    for module, step in ((network.shallow_half, 2), (network.shallow_quarter, 4)):
        features = _convolutions(graph, module, graph.every(padded, step))
        _moments(graph, features, parts(step))
    graph.output("measured", graph.join(*parts.own), (1, 12 * network.width))
    return graph.model("ccnet_shallow", {}, beside=beside)


def _average_order(network: CCNet) -> tuple[list[int], NDArray[np.int64]]:
    """Tell which averages the graph takes, and where among the network's it finds their channels.

    Where the network asks for all of the long strips and then for all of the short ones, the graph
    takes a pair at once. Returns the channels of each, and the places of all.
    """
    averages = SharedAverages()
    with torch.no_grad():
        network(torch.zeros(1, 3, 1, 1), averages)
    lengths = [values.shape[1] for values in averages.values]
    places = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    taken, rest = places[:SHALLOW], places[SHALLOW:]
    for module in network.modules():
        if isinstance(module, LargeDynamicIntegrationModule):
            count = len(module.long.strips)
            taken += map(np.concatenate, zip(rest[:count], rest[count : 2 * count], strict=True))
            rest = rest[2 * count :]
    return [len(part) for part in taken], np.concatenate(taken)


class PartAverages:
    """Averages over one part of all pictures, (1, C, 1, 1), or others in their place.

    Made for a scale by its step of 1, 2 or 4 pixels. `own` grows by what the pictures have
    themselves, (1, C), with each average.

    Args:
        graph: Where to add them.
        core: The part's first row and column and those after its last, in pixels.
        pins: What to take instead, (1, C) for each average; where it holds NaN, their own.
    """

    def __init__(self, graph: Graph, core: str, pins: Sequence[str] | None = None) -> None:
        self.own: list[str] = []
        self._graph = graph
        self._pins = iter(pins) if pins is not None else None
        self._corners = {
            step: graph.split(graph.add("Div", core, graph.constant([step])), (2, 2), axis=0)
            for step in (1, 2, 4)
        }

    def __call__(self, step: int) -> Average:
        return partial(self._average, corners=self._corners[step])

    def _average(self, features: str, corners: Sequence[str]) -> str:
        graph = self._graph
        part = graph.add("Slice", features, *corners, graph.constant([2, 3]))
        average = graph.average(part, (0, 2, 3))
        self.own.append(graph.add("Flatten", average))
        if self._pins is None:
            return average
        pin = graph.add("Unsqueeze", next(self._pins), graph.constant([2, 3]))
        return graph.add("Where", graph.add("IsNaN", pin), average, pin)


def _network(graph: Graph, network: CCNet, pictures: str, average: Callable[[int], Average]) -> str:
    """`CCNet.forward`; `average` makes an `Average` for the scale of a step of 1, 2 or 4 pixels."""
    padded = _pad_to_fit(graph, pictures, network.smallest)
    of_full, of_half, of_quarter = map(average, (1, 2, 4))
    shallow_half = _shallow_input(graph, network.shallow_half, graph.every(padded, 2), of_half)
    shallow_half = graph.named("shallow_half", shallow_half)
    shallow_quarter = _shallow_input(
        graph, network.shallow_quarter, graph.every(padded, 4), of_quarter
    )
    shallow_quarter = graph.named("shallow_quarter", shallow_quarter)

    full = graph.gelu(graph.convolve(padded, network.enter))
    full = _stage(graph, network.encoder_full, full, of_full)
    half = graph.gelu(graph.convolve(full, network.down_half))
    half = graph.convolve(graph.join(half, shallow_half), network.merge_half)
    half = _stage(graph, network.encoder_half, half, of_half)
    quarter = graph.gelu(graph.convolve(half, network.down_quarter))
    quarter = graph.convolve(graph.join(quarter, shallow_quarter), network.merge_quarter)
    quarter = _stage(graph, network.encoder_quarter, quarter, of_quarter)

    quarter = _stage(graph, network.decoder_quarter, quarter, of_quarter)
    half = graph.join(graph.gelu(graph.convolve(quarter, network.up_half)), half)
    half = graph.gelu(graph.convolve(half, network.join_half))
    half = _stage(graph, network.decoder_half, half, of_half)
    full = graph.join(graph.gelu(graph.convolve(half, network.up_full)), full)
    full = graph.gelu(graph.convolve(full, network.join_full))
    full = _stage(graph, network.decoder_full, full, of_full)
    restored = graph.add("Add", graph.convolve(full, network.head_full), padded)
    sizes = graph.add("Shape", pictures, start=2)
    return graph.add("Slice", restored, graph.constant([0, 0]), sizes, graph.constant([2, 3]))


def _pad_to_fit(graph: Graph, batch: str, smallest: int) -> str:
    """`pad_to_fit`."""
    one, multiple = graph.constant([1]), graph.constant([MULTIPLE])
    for axis in (2, 3):
        length = graph.side(batch, axis)
        rounded = graph.add("Add", length, graph.constant([MULTIPLE - 1]))
        padded = graph.add("Mul", graph.add("Div", rounded, multiple), multiple)
        padded = graph.add("Max", padded, graph.constant([smallest]))
        last = graph.add("Sub", length, one)
        period = graph.add("Max", graph.add("Add", last, last), one)
        count = graph.add("Squeeze", padded, graph.constant([0]))
        position = graph.add("Range", graph.constant(0), count, graph.constant(1))
        position = graph.add("Mod", position, period)
        index = graph.add("Min", position, graph.add("Sub", period, position))
        batch = graph.add("Gather", batch, index, axis=axis)
    return batch


def _shallow_input(graph: Graph, module: ShallowInput, picture: str, average: Average) -> str:
    return _picture_norm(graph, module.norm, _convolutions(graph, module, picture), average)


def _convolutions(graph: Graph, module: ShallowInput, picture: str) -> str:
    features = picture
    for layer in module.convolutions:
        if isinstance(layer, nn.Conv2d):
            features = graph.convolve(features, layer)
        else:
            features = graph.gelu(features)
    return features


def _moments(graph: Graph, features: str, average: Average) -> tuple[str, str]:
    """Give features less their mean, and their variance."""
    centred = graph.add("Sub", features, average(features))
    return centred, average(graph.add("Mul", centred, centred))


def _picture_norm(graph: Graph, norm: PictureNorm, features: str, average: Average) -> str:
    centred, variance = _moments(graph, features, average)
    weight, bias = (graph.along_channels(each) for each in (norm.weight, norm.bias))
    scaled = graph.add("Mul", centred, graph.add("Div", weight, _root(graph, variance)))
    return graph.add("Add", scaled, bias)


def _root(graph: Graph, variance: str, eps: float = 1e-5) -> str:
    return graph.add("Sqrt", graph.add("Add", variance, graph.constant(np.array(eps, np.float32))))


def _stage(graph: Graph, stage: Stage, features: str, average: Average) -> str:
    for block in stage.modules_:
        if isinstance(block, EfficientResidualStarModule):
            features = _star(graph, block, features, average)
        else:
            assert isinstance(block, ResidualModule)
            features = _residual(graph, block, features, average)
    return features


def _star(
    graph: Graph, module: EfficientResidualStarModule, features: str, average: Average
) -> str:
    centred = graph.add("Sub", features, graph.average(features, (1,)))
    variance = graph.average(graph.add("Mul", centred, centred), (1,))
    # Centred, though the kernels are, for that rounds less where a pixel's mean is large; and
    # divided before the convolution, not after it, when there are twice as many channels.
    scaled = graph.add("Div", centred, _root(graph, variance, module.norm.eps))
    # Two convolutions, for to part what one gives takes longer than to read its input again.
    context, plain = (
        graph.add("Conv", scaled, *_folded(graph, branch.weight, module.norm))
        for branch in (module.context, module.plain)
    )
    context = graph.gelu(graph.convolve(context, module.surroundings))
    star = graph.gelu(graph.add("Mul", context, plain))
    if module.integration is not None:
        star = _integration(graph, module.integration, star, average)
    return graph.add("Add", graph.convolve(star, module.projection), features)


def _folded(graph: Graph, weight: Tensor, norm: nn.LayerNorm) -> tuple[str, str]:
    """Fold a norm into a 1x1 kernel and its bias, as `FoldedStarModule` tells.

    In the graph, of nothing but parameters, so engines do it once, when they load the model.
    """
    kernel = graph.weights(weight)
    scaled = graph.add("Mul", kernel, graph.along_channels(norm.weight))
    centred = graph.add("Sub", scaled, graph.average(scaled, (1,)))
    shifts = graph.add("Mul", kernel, graph.along_channels(norm.bias))
    bias = graph.add("ReduceSum", shifts, graph.constant([1, 2, 3]), keepdims=0)
    return centred, bias


def _residual(graph: Graph, module: ResidualModule, features: str, average: Average) -> str:
    entered = graph.gelu(graph.convolve(features, module.entrance))
    if module.integration is not None:
        entered = _integration(graph, module.integration, entered, average)
    return graph.add("Add", graph.convolve(entered, module.projection), features)


def _integration(
    graph: Graph, module: LargeDynamicIntegrationModule, features: str, average: Average
) -> str:
    long, short = module.long, module.short
    filtered = features
    for pair in zip(long.strips, short.strips, strict=True):
        filtered = _strip_pair(graph, pair, filtered, average)
    gamma, beta = (
        graph.add("Concat", *map(graph.weights, pair), axis=0)
        for pair in ((long.gamma, short.gamma), (long.beta, short.beta))
    )
    changed = graph.add("Mul", filtered, gamma)
    return graph.add("Add", changed, graph.add("Mul", features, beta))


def _strip_pair(
    graph: Graph, pair: tuple[nn.Module, nn.Module], features: str, average: Average
) -> str:
    """Filter each half of the channels with its strip, block by block of the filtered side.

    As a product with small banded matrices, for an engine may know no filter that is not a
    constant, or want it for one sample; this makes of any batch, and is as fast. Both halves go in
    one, for to part and join them takes longer than the zeros of a matrix as wide as the other's.
    The border's reflection is in what is gathered.
    """
    strips = [strip for strip in pair if isinstance(strip, ShiftedStrip)]
    reaches = [(strip.to_filter.out_channels - 1) // 2 * strip.dilation for strip in strips]
    horizontal, reach = strips[0].horizontal, max(reaches)
    axis = 3 if horizontal else 2
    block = 32 if reach <= 16 else 64
    width = block + 2 * reach
    matrix = _banded_matrices(graph, strips, average(features), block, reach)
    length = graph.side(features, axis)
    index = _reflected_blocks(graph, length, block, reach)
    blocks = graph.add("Gather", features, index, axis=axis)
    before = graph.add("Shape", features, end=axis)
    if horizontal:
        rows = graph.add("Reshape", blocks, graph.constant([0, 2, -1, width]))
        filtered = graph.add("MatMul", rows, graph.add("Transpose", matrix, perm=[0, 1, 3, 2]))
        shape = graph.add("Concat", before, graph.constant([-1]), axis=0)
    else:
        across = graph.side(features, 3)
        shape = graph.add("Concat", graph.constant([0, 2, -1, width]), across, axis=0)
        columns = graph.add("Reshape", blocks, shape)
        filtered = graph.add("MatMul", graph.add("Unsqueeze", matrix, graph.constant([2])), columns)
        shape = graph.add("Concat", before, graph.constant([-1]), across, axis=0)
    filtered = graph.add("Reshape", filtered, shape)
    return graph.add("Slice", filtered, graph.constant([0]), length, graph.constant([axis]))


def _banded_matrices(
    graph: Graph, strips: Sequence[ShiftedStrip], averages: str, block: int, reach: int
) -> str:
    """(N, 2, block, block + 2 * reach): in each row a strip's taps, one place further on."""
    halves = graph.split(averages, [strip.to_filter.in_channels for strip in strips])
    filters, places, first = [], [], 0
    count = sum(strip.to_filter.out_channels for strip in strips)
    offsets = np.arange(block + 2 * reach) - reach - np.arange(block)[:, None]
    for strip, half in zip(strips, halves, strict=True):
        taps = strip.to_filter.out_channels
        taken = graph.add("Sigmoid", graph.convolve(half, strip.to_filter))
        filters.append(graph.add("Reshape", taken, graph.constant([0, taps])))
        steps, rest = np.divmod(offsets + (taps - 1) // 2 * strip.dilation, strip.dilation)
        inside = (rest == 0) & (steps >= 0) & (steps < taps)
        places.append(np.where(inside, first + steps, count).astype(np.int32))
        first += taps
    with_zero = graph.add("Pad", graph.join(*filters), graph.constant([0, 0, 0, 1]))
    return graph.add("Gather", with_zero, graph.constant(np.stack(places)), axis=1)


def _reflected_blocks(graph: Graph, length: str, block: int, reach: int) -> str:
    """Indices (blocks, block + 2 * reach) into a side: each block and its surroundings."""
    count = graph.add("Squeeze", length, graph.constant([0]))
    starts = graph.add("Range", graph.constant(0), count, graph.constant(block))
    starts = graph.add("Unsqueeze", starts, graph.constant([1]))
    position = graph.add("Add", starts, graph.constant(np.arange(-reach, block + reach)))
    last = graph.add("Sub", length, graph.constant([1]))
    beyond = graph.add("Sub", graph.add("Abs", position), last)
    index = graph.add("Sub", last, graph.add("Abs", beyond))
    # The last block may go on where reflection has ended; that part is cut off again.
    return graph.add("Max", index, graph.constant([0]))
