"""Float networks for tests of quantization: a graph executed by torch.nn.functional."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sparse_search.graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Padding,
    Tensor,
    WeightedOperator,
    same_padding,
    window_count,
)

Weights = Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]]


@dataclass(frozen=True)
class FloatStub:
    """A FloatModel of given weights (CMSIS-NN's layouts) and biases, batch norm folded."""

    graph: Graph
    weights: Weights

    def folded(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights and biases in float32."""
        weights, bias = self.weights[name]
        return weights.astype(np.float32), bias.astype(np.float32)

    def activations(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Every tensor, [n, H, W, C].

        Computed in float64: in float32, torch 2.13's CPU convolution reads foreign memory for one
        input channel in channels-last strides, unequal strides and one output column.
        """
        values = {self.graph.input.name: images / 255}
        for operator in self.graph.operators:
            inputs = [values[name] for name in operator.inputs]
            weights, bias = self.weights.get(operator.name, (None, None))
            values[operator.output] = apply_float(operator, inputs, weights, bias)
        return {name: value.astype(np.float32) for name, value in values.items()}


def apply_float(
    operator: Operator,
    inputs: list[NDArray[np.floating]],
    weights: NDArray[np.floating] | None,
    bias: NDArray[np.floating] | None,
) -> NDArray[np.floating]:
    """One operator on [n, H, W, C], in float64."""
    if isinstance(operator, Concat):
        vectors = [values.reshape(len(values), -1) for values in inputs]
        return np.concatenate(vectors, axis=1)[:, None, None, :]
    x = torch.from_numpy(np.ascontiguousarray(inputs[0])).permute(0, 3, 1, 2)
    if isinstance(operator, Add):
        y = x + torch.from_numpy(np.ascontiguousarray(inputs[1])).permute(0, 3, 1, 2)
    elif isinstance(operator, MaxPool2d):
        y = functional.max_pool2d(x, operator.kernel, operator.stride)
    elif isinstance(operator, AvgPool2d):
        y = functional.avg_pool2d(x, operator.kernel, operator.stride)
    else:
        w, b = (torch.from_numpy(a.astype(np.float64)) for a in (weights, bias))
        if isinstance(operator, Dense):
            y = functional.linear(x.permute(0, 2, 3, 1).flatten(1), w, b)[:, :, None, None]
        else:
            top, bottom, left, right = operator.padding
            x = functional.pad(x, (left, right, top, bottom))
            depthwise = isinstance(operator, DepthwiseConv2d)
            kernel = w.permute(3, 0, 1, 2) if depthwise else w.permute(0, 3, 1, 2)
            groups = x.shape[1] if depthwise else 1
            y = functional.conv2d(x, kernel, b, operator.stride, groups=groups)
    if not isinstance(operator, MaxPool2d | AvgPool2d) and operator.activation == "relu":
        y = y.relu()
    return y.permute(0, 2, 3, 1).contiguous().numpy()


def random_graph(generator: np.random.Generator, operator_count: int = 5) -> Graph:
    """A chain of random operators and logits.

    Tensors of equal shape are added, and earlier ones may reach the last operator directly.
    """
    size, channels = int(generator.integers(5, 12)), int(generator.integers(1, 4))
    tensors = [Tensor("input", (size, size + 1, channels))]
    operators: list[Operator] = []
    kinds = ("conv", "conv", "depthwise", "max", "average", "add")
    for index in range(operator_count):
        last, name = tensors[-1], f"t{index}"
        kind = str(generator.choice(kinds))
        if kind == "add":
            equal = [t.name for t in tensors[:-1] if t.shape == last.shape]
            if not equal:
                continue
            other = str(generator.choice(equal))
            activation = str(generator.choice(("none", "relu")))
            tensors.append(Tensor(name, last.shape))
            operators.append(Add(f"add{index}", (last.name, other), name, activation))
            continue
        operator, shape = _random_window(generator, kind, index, last)
        operators.append(operator)
        tensors.append(Tensor(operator.output, shape))
    earlier = [t.name for t in tensors[:-1]]
    if earlier and generator.random() < 0.4:
        chosen = generator.permutation(earlier)[: int(generator.integers(1, 4))].tolist()
        inputs = (*chosen, tensors[-1].name)
        size = sum(t.size for t in tensors if t.name in inputs)
        operators.append(Concat("features", inputs, "features"))
        tensors.append(Tensor("features", (1, 1, size)))
    operators.append(Dense("output", (tensors[-1].name,), "logits"))
    tensors.append(Tensor("logits", (1, 1, 6)))
    return Graph(tuple(tensors), tuple(operators))


def _random_window(
    generator: np.random.Generator, kind: str, index: int, last: Tensor
) -> tuple[Operator, tuple[int, int, int]]:
    height, width, channels = last.shape
    kernel = tuple(int(generator.integers(1, min(3, side) + 1)) for side in (height, width))
    stride = (int(generator.integers(1, 3)), int(generator.integers(1, 3)))
    padding: Padding = (0, 0, 0, 0)
    if kind in ("conv", "depthwise") and generator.random() < 0.6:
        rows = same_padding(height, kernel[0], stride[0])
        padding = (*rows, *same_padding(width, kernel[1], stride[1]))
    shape = (
        window_count(height, kernel[0], stride[0], padding[:2]),
        window_count(width, kernel[1], stride[1], padding[2:]),
        int(generator.integers(1, 9)) if kind == "conv" else channels,
    )
    types = {
        "conv": Conv2d,
        "depthwise": DepthwiseConv2d,
        "max": MaxPool2d,
        "average": AvgPool2d,
    }
    build = types[kind]
    name, output = f"{kind}{index}", f"t{index}"
    if kind in ("conv", "depthwise") and generator.random() < 0.3:
        return build(name, (last.name,), output, kernel, stride, padding, "none"), shape
    return build(name, (last.name,), output, kernel, stride, padding), shape


def random_weights(
    graph: Graph, generator: np.random.Generator, sparsity: float = 0.0
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """He-normal weights with some zeros, small normal biases."""
    return {op.name: _random_layer(graph, op, generator, sparsity) for op in graph.weighted}


def _random_layer(
    graph: Graph, operator: WeightedOperator, generator: np.random.Generator, sparsity: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = graph.weight_shape(operator)
    fan_in = np.prod(shape[:-1] if isinstance(operator, DepthwiseConv2d) else shape[1:])
    weights = generator.normal(0, np.sqrt(2 / fan_in), shape)
    weights *= generator.random(shape) >= sparsity
    bias = generator.normal(0, 0.1, graph.bias_count(operator))
    return weights.astype(np.float32), bias.astype(np.float32)


def random_model(
    generator: np.random.Generator, operator_count: int = 5, sparsity: float = 0.0
) -> FloatStub:
    """A random graph with random weights."""
    graph = random_graph(generator, operator_count)
    return FloatStub(graph, random_weights(graph, generator, sparsity))


def random_images(graph: Graph, count: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Uniform bytes, [count, H, W, C]."""
    return generator.integers(0, 256, (count, *graph.input.shape)).astype(np.uint8)
