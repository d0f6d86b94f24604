"""An ONNX graph while it is built, and the parts of a network in it.

ONNX's operators: https://onnx.ai/onnx/operators/. Tensors are told by their names in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper
from torch import Tensor, nn

OPSET, IR_VERSION = 20, 9
"""The first opset with GELU, and the format of the release that brought it (onnx 1.15)."""

Attribute = int | str | list[int]
Sides = Sequence[int | str]


class Graph:
    """Collects nodes; each method adds some, and gives the name of what they compute.

    Args:
        network: Whose parameters it may hold, by their names there.
        half: Whether to hold these in float16, in half the bytes. Engines compute with them in
            float32 or what else they are told, for the cast is done once, when they load the model.
    """

    def __init__(self, network: nn.Module, *, half: bool = False) -> None:
        self._half = half
        self._names = {id(weights): name for name, weights in network.named_parameters()}
        self._parameters: dict[str, TensorProto] = {}
        self._nodes: list[NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], TensorProto] = {}
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []

    def input(self, name: str, sides: Sides, dtype: DTypeLike = np.float32) -> str:
        """Declare an input; sides that are words may be of any length."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, kind, sides))
        return name

    def output(self, name: str, tensor: str, sides: Sides) -> None:
        """Give a tensor out under a name of its own."""
        self.named(name, tensor)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))

    def named(self, name: str, tensor: str) -> str:
        """Give a tensor another name, by which it can be found in the graph."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add one node with one output; the attributes are those of its operator."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [name], name)
        node.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
        self._nodes.append(node)
        return name

    def constant(self, values: NDArray[np.generic] | Sequence[int] | int) -> str:
        """Hold an array, or int64 for Python's numbers; equal ones are held once."""
        array = np.ascontiguousarray(values).reshape(np.shape(values))
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(array, name)
        return self._constants[key].name

    def weights(self, parameter: Tensor) -> str:
        """Hold a parameter of the network, in float32 when it is computed with."""
        name = self._names[id(parameter)]
        values = parameter.detach().float().cpu().numpy()
        values = values.astype(np.float16) if self._half else values
        self._parameters[name] = numpy_helper.from_array(values, name)
        return self.add("Cast", name, to=TensorProto.FLOAT) if self._half else name

    def along_channels(self, parameter: Tensor) -> str:
        """Hold a parameter of a number for each channel, (C,), as (1, C, 1, 1)."""
        return self.add("Reshape", self.weights(parameter), self.constant([1, -1, 1, 1]))

    def convolve(self, features: str, layer: nn.Conv2d | nn.ConvTranspose2d) -> str:
        """Add a convolution as torch has it, with zeros outside."""
        assert not isinstance(layer.padding, str)
        inputs = [self.weights(layer.weight)]
        if layer.bias is not None:
            inputs.append(self.weights(layer.bias))
        return self.add(
            "ConvTranspose" if isinstance(layer, nn.ConvTranspose2d) else "Conv",
            features,
            *inputs,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=list(layer.padding) * 2,
            group=layer.groups,
        )

    def gelu(self, features: str) -> str:
        """Add the exact GELU."""
        return self.add("Gelu", features)

    def join(self, *features: str) -> str:
        """Concatenate along axis 1."""
        return self.add("Concat", *features, axis=1)

    def split(self, features: str, lengths: Sequence[int], axis: int = 1) -> list[str]:
        """Part along one axis."""
        names = [f"split_{len(self._nodes)}_{index}" for index in range(len(lengths))]
        inputs = [features, self.constant(lengths)]
        self._nodes.append(helper.make_node("Split", inputs, names, names[0], axis=axis))
        return names

    def average(self, features: str, axes: Sequence[int]) -> str:
        """Average over axes, which stay as sides of length 1."""
        return self.add("ReduceMean", features, self.constant(axes), keepdims=1)

    def every(self, features: str, step: int) -> str:
        """Take every `step`-th row and column of (N, C, H, W), from the first."""
        ends = self.constant([np.iinfo(np.int64).max] * 2)
        starts, axes, steps = (self.constant(pair) for pair in ([0, 0], [2, 3], [step, step]))
        return self.add("Slice", features, starts, ends, axes, steps)

    def side(self, features: str, axis: int) -> str:
        """Give the length of one side, as a vector of one."""
        return self.add("Shape", features, start=axis, end=axis + 1)

    def model(self, name: str, metadata: Mapping[str, str], *, beside: bool = False) -> ModelProto:
        """Make a checked model of what was added, without its parameters if they are `beside`."""
        held = [*self._constants.values(), *self._parameters.values()]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, held)
        model = helper.make_model(
            graph,
            producer_name="ccnet",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(model, dict(metadata))
        checker.check_model(model, full_check=True)
        if beside:
            del model.graph.initializer[len(self._constants) :]
        return model
