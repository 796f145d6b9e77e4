"""Random graphs of every operator, and quantized models on them; what deployment is fuzzed with."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparse_search.graph import (
    Activation,
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
    Shape,
    Tensor,
    WeightedOperator,
    same_padding,
    window_count,
)
from sparse_search.integer import (
    bias_units,
    channel_rows,
    narrow_biases,
    powers_of_two_apart,
)
from sparse_search.memory import in_best_order
from sparse_search.quantized import (
    INPUT_QUANTIZATION,
    QuantizedModel,
    QuantizedWeights,
    TensorQuantization,
)

_Random = np.random.Generator

_CALIBRATION_IMAGES = 4


class _Builder:
    """A graph that grows by one operator at a time."""

    def __init__(self, input_shape: Shape) -> None:
        self.tensors = [Tensor("input", input_shape)]
        self.operators: list[Operator] = []

    def append(self, operator: Operator, shape: Shape) -> str:
        """Adds an operator that writes a tensor of ``shape``; returns the tensor's name."""
        self.operators.append(operator)
        self.tensors.append(Tensor(operator.output, shape))
        return operator.output

    @property
    def names(self) -> tuple[str, str]:
        """Names for the next operator and its output."""
        return f"op{len(self.operators)}", f"t{len(self.operators)}"


def _integer(generator: _Random, low: int, high: int) -> int:
    return int(generator.integers(low, high + 1))


def _padding(
    generator: _Random, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]
) -> Padding:
    """SAME, none, or anything less than the kernel on each side."""
    mode = _integer(generator, 0, 2)
    if mode == 0:
        vertical, horizontal = (
            same_padding(s, k, t) for s, k, t in zip(size, kernel, stride, strict=True)
        )
        return (*vertical, *horizontal)
    if mode == 1:
        return (0, 0, 0, 0)
    top, bottom = (_integer(generator, 0, kernel[0] - 1) for _ in range(2))
    left, right = (_integer(generator, 0, kernel[1] - 1) for _ in range(2))
    return (top, bottom, left, right)


def _windowed(generator: _Random, builder: _Builder, source: str) -> str:
    """A convolution, depthwise convolution or pooling with random geometry."""
    height, width, channels = next(t.shape for t in builder.tensors if t.name == source)
    kernel = (_integer(generator, 1, min(height, 5)), _integer(generator, 1, min(width, 5)))
    stride = (_integer(generator, 1, 3), _integer(generator, 1, 3))
    padding = _padding(generator, (height, width), kernel, stride)
    name, output = builder.names
    kind = generator.choice(["conv", "conv", "depthwise", "max", "avg"])
    relu: Activation = "relu" if generator.random() < 0.5 else "none"
    operator: Operator
    if kind == "conv":
        operator = Conv2d(name, (source,), output, kernel, stride, padding, relu)
    elif kind == "depthwise":
        operator = DepthwiseConv2d(name, (source,), output, kernel, stride, padding, relu)
    else:
        make = MaxPool2d if kind == "max" else AvgPool2d
        operator = make(name, (source,), output, kernel, stride, padding)
    size = (
        window_count(height, kernel[0], stride[0], padding[:2]),
        window_count(width, kernel[1], stride[1], padding[2:]),
    )
    return builder.append(
        operator, (*size, _integer(generator, 2, 9) if kind == "conv" else channels)
    )


def _same(
    generator: _Random, builder: _Builder, source: str, stride: int, channels: int | None
) -> str:
    """A convolution with SAME padding, or a depthwise one where ``channels`` is None."""
    height, width, in_channels = next(t.shape for t in builder.tensors if t.name == source)
    kernel = int(generator.choice([1, 3, 5]))
    padding = (*same_padding(height, kernel, stride), *same_padding(width, kernel, stride))
    relu: Activation = "relu" if generator.random() < 0.2 else "none"
    name, output = builder.names
    make = DepthwiseConv2d if channels is None else Conv2d
    operator = make(name, (source,), output, (kernel, kernel), (stride, stride), padding, relu)
    return builder.append(
        operator, (-(-height // stride), -(-width // stride), channels or in_channels)
    )


def _residual(generator: _Random, builder: _Builder, source: str) -> str:
    """Two paths from one tensor, added: the tensor itself where the shapes allow it, or not."""
    channels = next(t.shape for t in builder.tensors if t.name == source)[2]
    stride = _integer(generator, 1, 2)
    depthwise = generator.random() < 0.4
    filters = channels if depthwise or generator.random() < 0.5 else _integer(generator, 2, 9)
    main = _same(generator, builder, source, stride, None if depthwise else filters)
    other = source
    if (stride, filters) != (1, channels) or generator.random() < 0.5:
        other = _same(generator, builder, source, stride, filters)
    shape = next(t.shape for t in builder.tensors if t.name == main)
    name, output = builder.names
    inputs = (main, other) if generator.random() < 0.5 else (other, main)
    relu: Activation = "relu" if generator.random() < 0.5 else "none"
    return builder.append(Add(name, inputs, output, relu), shape)


def _global_pool(generator: _Random, builder: _Builder, source: str) -> str:
    """One number for each channel of a map."""
    height, width, channels = next(t.shape for t in builder.tensors if t.name == source)
    make = MaxPool2d if generator.random() < 0.5 else AvgPool2d
    name, output = builder.names
    operator = make(name, (source,), output, (height, width), (height, width))
    return builder.append(operator, (1, 1, channels))


def _features(generator: _Random, builder: _Builder, last: str) -> str:
    """Two to four tensors, whole or pooled, ``last`` at the end, one after another."""
    others = [t.name for t in builder.tensors if t.name != last]
    count = min(len(others), _integer(generator, 1, 3))
    inputs = [*generator.permutation(others)[:count].tolist(), last]
    inputs = [
        _global_pool(generator, builder, name) if generator.random() < 0.4 else name
        for name in inputs
    ]
    size = sum(t.size for name in inputs for t in builder.tensors if t.name == name)
    name, output = builder.names
    return builder.append(Concat(name, tuple(inputs), output), (1, 1, size))


def random_graph(generator: _Random) -> Graph:
    """Up to five operators on feature maps, then one or two fully connected ones."""
    shape = (_integer(generator, 3, 14), _integer(generator, 3, 14), _integer(generator, 1, 4))
    builder = _Builder(shape)
    tensor = "input"
    for _ in range(_integer(generator, 0, 5)):
        step = _residual if generator.random() < 0.25 else _windowed
        tensor = step(generator, builder, tensor)
    if len(builder.tensors) > 1 and generator.random() < 0.5:
        tensor = _features(generator, builder, tensor)
    if generator.random() < 0.5:
        name, output = builder.names
        units = _integer(generator, 4, 20)
        tensor = builder.append(Dense(name, (tensor,), output, "relu"), (1, 1, units))
    name, output = builder.names
    builder.append(Dense(name, (tensor,), output), (1, 1, _integer(generator, 2, 12)))
    return Graph(tuple(builder.tensors), tuple(builder.operators))


def trainable_graph(generator: _Random) -> Graph:
    """A random graph without padded pooling, which networks refuse."""
    while True:
        graph = random_graph(generator)
        pools = [op for op in graph.operators if isinstance(op, MaxPool2d | AvgPool2d)]
        if not any(any(op.padding) for op in pools):
            return graph


def random_model(
    generator: _Random,
    graph: Graph,
    sparsity: float | None = None,
    codebook_bits: int | None = None,
    narrow: bool | None = None,
    *,
    one_codebook: bool = False,
) -> QuantizedModel:
    """Random int8 weights and scales on ``graph``, in its best order as those of ``quantize``.

    Args:
        generator: Source of randomness.
        graph: What is computed.
        sparsity: Fraction of zero weights, in [0, 1]; None for a random one in each operator.
        codebook_bits: Weights of an operator take at most 2^bits values, zero among them.
        one_codebook: They are the same values in all operators.
        narrow: Whether channels are; None for either, in each operator.
    """
    graph = in_best_order(graph)
    tensors = {graph.input.name: INPUT_QUANTIZATION}
    weights: dict[str, QuantizedWeights] = {}
    images = random_images(generator, graph, _CALIBRATION_IMAGES)
    values = _few_values(generator, codebook_bits)
    for index, op in enumerate(graph.operators):
        source = tensors[op.inputs[0]]
        if isinstance(op, MaxPool2d | AvgPool2d):
            tensors[op.output] = source
            continue
        if isinstance(op, Concat):
            tensors[op.output] = _concat_quantization(generator, [tensors[n] for n in op.inputs])
            continue
        relu = op.activation == "relu"
        zero_point = -128 if relu else _integer(generator, -128, 127)
        if isinstance(op, Add):
            widest = max(tensors[name].scale for name in op.inputs)
            scale = widest * float(generator.uniform(0.3, 3))
        else:
            scale = float(generator.uniform(0.01, 0.1))
        tensors[op.output] = TensorQuantization(scale, zero_point).single()
        if not isinstance(op, Add):
            seen = _values(graph, index, tensors, weights, images)[op.inputs[0]]
            zeros = float(generator.uniform(0, 0.9)) if sparsity is None else sparsity
            factor, held = _random_weights(
                *(generator, graph, op, zeros, seen - source.zero_point),
                values if one_codebook else _few_values(generator, codebook_bits),
            )
            wanted = (factor * scale / source.scale).astype(np.float32).astype(np.float64)
            short = generator.random() < 0.7 if narrow is None else narrow
            scales = powers_of_two_apart(wanted) if short else wanted
            made = QuantizedWeights.from_scales(
                *held, scales, source.scale, tensors[op.output].scale
            )
            weights[op.name] = _with_short_biases(made) if short else made
    return QuantizedModel(graph, tensors, weights)


def _with_short_biases(held: QuantizedWeights) -> QuantizedWeights:
    """The same with the nearest biases that narrow channels can hold."""
    most = (2**15 - 1) * bias_units(held.shift)
    return replace(held, bias=narrow_biases(np.clip(held.bias, -most, most), held.shift))


def _concat_quantization(
    generator: _Random, sources: list[TensorQuantization]
) -> TensorQuantization:
    """That of one of the inputs, or one near it."""
    source = sources[_integer(generator, 0, len(sources) - 1)]
    if generator.random() < 0.4:
        return source
    scale = source.scale * float(generator.uniform(0.3, 3))
    return TensorQuantization(scale, _integer(generator, -128, 127)).single()


def _values(
    graph: Graph,
    count: int,
    tensors: Mapping[str, TensorQuantization],
    weights: Mapping[str, QuantizedWeights],
    images: NDArray[np.uint8],
) -> dict[str, NDArray[np.int64]]:
    """Every tensor that the first ``count`` operators of ``graph`` read or write."""
    part = Graph(graph.tensors[: count + 1], graph.operators[:count])
    named = {t.name: tensors[t.name] for t in part.tensors}
    traced = QuantizedModel(part, named, weights).trace(images)
    return {name: values.astype(np.int64) for name, values in traced.items()}


def _few_values(generator: _Random, codebook_bits: int | None) -> NDArray[np.int64]:
    """Values of which at most 2^bits occur beside zeros; all for None."""
    nonzero = np.setdiff1d(np.arange(-127, 128), 0)
    if codebook_bits is None:
        return np.arange(-127, 128)
    return generator.choice(nonzero, (1 << codebook_bits) - 1, replace=False)


def _random_weights(
    generator: _Random,
    graph: Graph,
    operator: WeightedOperator,
    sparsity: float,
    seen: NDArray[np.int64],
    values: NDArray[np.int64],
) -> tuple[NDArray[np.float64], tuple[NDArray[np.int8], NDArray[np.int32]]]:
    """Factors M [OC], weights and biases for which the outputs spread over the int8 range.

    Args:
        generator: Source of randomness.
        graph: What the operator belongs to.
        operator: Whose weights are made.
        sparsity: Fraction of zeros.
        seen: Inputs of the operator minus their zero point.
        values: Of its weights, beside zeros.
    """
    shape = graph.weight_shape(operator)
    drawn = generator.choice(values, shape)
    weights = (drawn * (generator.random(shape) >= sparsity)).astype(np.int8)
    rows = channel_rows(weights.astype(np.int64), isinstance(operator, DepthwiseConv2d))
    spread = np.maximum(1000.0, np.sqrt((rows**2).sum(axis=1)) * float(seen.std()))
    centre = rows.sum(axis=1) * float(seen.mean())
    bias = np.rint(spread * generator.uniform(-1, 1, len(rows)) - centre).astype(np.int32)
    return 60 / spread * generator.uniform(0.3, 3, len(rows)), (weights, bias)


def random_images(generator: _Random, graph: Graph, count: int) -> NDArray[np.uint8]:
    """Images [count, H, W, C] for the input of ``graph``."""
    return generator.integers(0, 256, (count, *graph.input.shape), dtype=np.uint8)
