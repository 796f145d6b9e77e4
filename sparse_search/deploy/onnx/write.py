"""export_onnx(model, path): the file, in the QDQ form that inference tool chains read.

A runtime that computes in reals, or that rounds halves to even, may differ from the model by one
step of a tensor where a sum lies on a half, so this format is not byte-exact as .tflite is.
"""

from pathlib import Path

import numpy as np
import onnx

from ... import __version__
from ...graph import (
    Add,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    MaxPool2d,
    Operator,
    PoolOperator,
)
from ...integer import channel_rows
from ...quantized import QuantizedModel
from .nodes import Nodes

_OPSET = 13
_IR_VERSION = 8
_TO_MAP, _FROM_MAP = (0, 3, 1, 2), (0, 2, 3, 1)


def export_onnx(model: QuantizedModel, path: str | Path) -> Path:
    """Writes a model as a .onnx file.

    Its input is int8 [n, H, W, C], pixel - 128; its output int8 [n, classes].
    """
    data = onnx_model(model).SerializeToString(deterministic=True)
    partial = Path(f"{path}.partial")
    partial.write_bytes(data)
    return partial.replace(path)


def onnx_model(model: QuantizedModel) -> onnx.ModelProto:
    """The content of the file that ``export_onnx`` writes."""
    graph, nodes = model.graph, Nodes()
    source, target = graph.input, graph.output
    nodes.add("Transpose", ["image"], source.name, perm=_TO_MAP)
    for operator in graph.operators:
        reals = _compute(nodes, model, operator)
        if getattr(operator, "activation", "none") == "relu":
            reals = nodes.add("Relu", [reals], f"{operator.name}_relu")
        nodes.quantize(reals, operator.output, model.tensors[operator.output])
    _flatten(nodes, target.name, "scores")
    kind = onnx.TensorProto.INT8
    proto = onnx.helper.make_graph(
        nodes.nodes,
        f"model_{model.hash()}",
        [onnx.helper.make_tensor_value_info("image", kind, ["n", *source.shape])],
        [onnx.helper.make_tensor_value_info("scores", kind, ["n", target.size])],
        nodes.constants,
    )
    return onnx.helper.make_model(
        proto,
        producer_name="sparse_search",
        producer_version=__version__,
        ir_version=_IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
    )


def _compute(nodes: Nodes, model: QuantizedModel, operator: Operator) -> str:
    """The reals that an operator computes, before its activation."""
    reals = [
        nodes.dequantize(name, model.tensors[name], f"{operator.name}_{number}")
        for number, name in enumerate(operator.inputs)
    ]
    name = operator.name
    if isinstance(operator, Add):
        return nodes.add("Add", reals, f"{name}_sum")
    if isinstance(operator, Concat):
        rows = [_flatten(nodes, real, f"{real}_row") for real in reals]
        joined = nodes.add("Concat", rows, f"{name}_row", axis=1)
        return _as_map(nodes, joined, f"{name}_map")
    if isinstance(operator, Dense):
        return _dense(nodes, model, operator, _flatten(nodes, reals[0], f"{name}_row"))
    if isinstance(operator, Conv2d | DepthwiseConv2d):
        return _convolution(nodes, model, operator, reals[0])
    return _pool(nodes, operator, reals[0])


def _convolution(
    nodes: Nodes, model: QuantizedModel, operator: Conv2d | DepthwiseConv2d, source: str
) -> str:
    """Weights are [OC, IC / groups, KH, KW] in ONNX."""
    held, depthwise = model.weights[operator.name], isinstance(operator, DepthwiseConv2d)
    perm = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
    inputs = [
        source,
        nodes.dequantized_constant(
            f"{operator.name}_weights", held.weights.transpose(perm), held.scale
        ),
        _bias(nodes, model, operator),
    ]
    return nodes.add(
        "Conv",
        inputs,
        f"{operator.name}_sum",
        group=len(held.scale) if depthwise else 1,
        **_window(operator),
    )


def _dense(nodes: Nodes, model: QuantizedModel, operator: Dense, source: str) -> str:
    held = model.weights[operator.name]
    rows = channel_rows(held.weights, depthwise=False)
    weights = nodes.dequantized_constant(f"{operator.name}_weights", rows, held.scale)
    inputs = [source, weights, _bias(nodes, model, operator)]
    products = nodes.add("Gemm", inputs, f"{operator.name}_product", transB=1)
    return _as_map(nodes, products, f"{operator.name}_sum")


def _bias(nodes: Nodes, model: QuantizedModel, operator: Conv2d | DepthwiseConv2d | Dense) -> str:
    held, source = model.weights[operator.name], model.tensors[operator.inputs[0]]
    scales = source.scale * held.scale
    return nodes.dequantized_constant(f"{operator.name}_bias", held.bias, scales)


def _pool(nodes: Nodes, operator: PoolOperator, source: str) -> str:
    """Without what ONNX has by default: the padding never enters a mean."""
    kind = "MaxPool" if isinstance(operator, MaxPool2d) else "AveragePool"
    return nodes.add(kind, [source], f"{operator.name}_pooled", **_window(operator))


def _window(operator: Conv2d | DepthwiseConv2d | PoolOperator) -> dict[str, tuple[int, ...]]:
    top, bottom, left, right = operator.padding
    return {
        "kernel_shape": operator.kernel,
        "strides": operator.stride,
        "pads": (top, left, bottom, right),
    }


def _flatten(nodes: Nodes, source: str, output: str) -> str:
    """[n, C, H, W] as [n, H * W * C], in (height, width, channel) order."""
    last = nodes.add("Transpose", [source], f"{output}_channels_last", perm=_FROM_MAP)
    return nodes.add("Flatten", [last], output)


def _as_map(nodes: Nodes, source: str, output: str) -> str:
    """[n, C] as [n, C, 1, 1]."""
    axes = nodes.constant(f"{output}_axes", np.array([2, 3], np.int64))
    return nodes.add("Unsqueeze", [source, axes], output)
