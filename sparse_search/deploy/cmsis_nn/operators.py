"""Each operator as a C function of its own that calls CMSIS-NN; and its constants.

A function returns 0 or an error code of the model. Where CMSIS-NN, as it was compiled, needs more
scratch memory than was planned, the operator computes nothing: the plan was for another core.
Operators before it have run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...graph import (
    Add,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    MaxPool2d,
    Operator,
    PoolOperator,
    WeightedOperator,
)
from ...integer import ADD_LEFT_SHIFT
from ...memory import KernelLibrary, MemoryPlan
from ...quantized import QuantizedModel
from .. import c_source
from . import structs

_VECTOR = (1, 1)


@dataclass(frozen=True, slots=True)
class Context:
    """What the text of an operator is made from.

    Attributes:
        model: What is computed.
        plan: Where tensors and scratch memory lie.
        prefix: Of the model's C names.
    """

    model: QuantizedModel
    plan: MemoryPlan
    prefix: str

    def at(self, tensor: str, extra_bytes: int = 0) -> str:
        """Where a tensor lies, as an expression."""
        offset = next(a.offset_bytes for a in self.plan.allocations if a.name == tensor)
        return f"base + {offset + extra_bytes}"

    def scratch(self, operator: Operator) -> tuple[str, int]:
        """The scratch memory of an operator, as an expression, and its bytes."""
        name = f"{operator.name}:scratch"
        size = next((a.size_bytes for a in self.plan.allocations if a.name == name), 0)
        return (self.at(name) if size else "NULL"), size


def constants(context: Context, operator: Operator, stem: str) -> str:
    """Definitions of an operator's arrays, whose names begin with ``stem``; empty without any."""
    if not isinstance(operator, WeightedOperator):
        return ""
    held = context.model.weights[operator.name]
    arrays: dict[str, tuple[str, NDArray[np.integer[Any]]]] = {
        "weights": ("int8_t", held.weights.reshape(-1)),
        "bias": ("int32_t", held.bias),
        "multiplier": ("int32_t", held.multiplier),
        "shift": ("int32_t", held.shift),
    }
    return "\n".join(
        f"static const {c_type} {stem}_{suffix}[{values.size}] = {{\n"
        f"{c_source.numbers(values.tolist())}\n}};"
        for suffix, (c_type, values) in arrays.items()
    )


def body(context: Context, operator: Operator, stem: str) -> str:
    """The statements of an operator's function."""
    _check(context, operator)
    if isinstance(operator, Conv2d | DepthwiseConv2d):
        return _convolution(context, operator, stem)
    if isinstance(operator, Dense):
        return _dense(context, operator, stem)
    if isinstance(operator, Add):
        return _add(context, operator)
    if isinstance(operator, Concat):
        return _concat(context, operator)
    return _pool(context, operator)


def _check(context: Context, operator: Operator) -> None:
    """Refuses what CMSIS-NN is known to compute otherwise.

    Its 1xN kernel for the vector extension (version 7.0, commit 99f736a6) is right for a stride of
    1 with as much padding at the right as at the left or one more, and where unpadded windows
    reach from one end to the other; not for all else.
    """
    if context.plan.kernels is not KernelLibrary.CMSIS_MVE or not isinstance(operator, Conv2d):
        return
    in_h, in_w, in_c = context.model.graph.shape(operator.inputs[0])
    kernel, stride = operator.kernel, operator.stride[1]
    taken = in_h == kernel[0] == 1 and kernel != _VECTOR and stride * in_c % 4 == 0
    left, right = operator.padding[2:]
    exact = not any(operator.padding) and (in_w - kernel[1]) % stride == 0
    if taken and not exact and not (stride == 1 and 0 <= right - left <= 1):
        raise ExportError(
            f"{operator.name}: expected no 1xN convolution of stride {stride} with padding "
            f"({left}, {right}), which CMSIS-NN may compute wrongly with the vector extension; use "
            "the runtime's own kernels"
        )


def _convolution(context: Context, operator: Conv2d | DepthwiseConv2d, stem: str) -> str:
    graph, tensors = context.model.graph, context.model.tensors
    source, target = operator.inputs[0], operator.output
    depthwise = isinstance(operator, DepthwiseConv2d)
    in_c, out_c = graph.shape(source)[2], graph.shape(target)[2]
    name = f"arm_{'depthwise_conv' if depthwise else 'convolve'}_wrapper_s8"
    fields = {
        **structs.offsets(tensors[source].zero_point, tensors[target].zero_point),
        **({"ch_mult": "1"} if depthwise else {}),
        **structs.window(operator.stride, operator.padding),
        "dilation": "{.w = 1, .h = 1}",
        **structs.activation(context.model.activation_range(operator)),
    }
    channels = 1 if depthwise else out_c
    lines = [
        structs.struct(f"cmsis_nn_{'dw_' if depthwise else ''}conv_params", "params", fields),
        _factors(stem),
        structs.dims("input", 1, graph.shape(source)),
        structs.dims("filter", channels, (*operator.kernel, out_c if depthwise else in_c)),
        structs.dims("bias", 1, (*_VECTOR, out_c)),
        structs.dims("output", 1, graph.shape(target)),
        _scratch(
            context,
            operator,
            f"{name}_get_buffer_size",
            ["&params", "&input", "&filter", "&output"],
        ),
    ]
    return "\n".join([*lines, _weighted_call(context, operator, name, stem)])


def _dense(context: Context, operator: Dense, stem: str) -> str:
    graph, tensors = context.model.graph, context.model.tensors
    source, target = operator.inputs[0], operator.output
    count, outputs = graph.tensor(source).size, graph.tensor(target).size
    fields = {
        **structs.offsets(tensors[source].zero_point, tensors[target].zero_point),
        "filter_offset": "0",
        **structs.activation(context.model.activation_range(operator)),
    }
    lines = [
        structs.struct("cmsis_nn_fc_params", "params", fields),
        _factors(stem),
        structs.dims("input", 1, graph.shape(source)),
        structs.dims("filter", count, (*_VECTOR, outputs)),
        structs.dims("bias", 1, (*_VECTOR, outputs)),
        structs.dims("output", 1, (*_VECTOR, outputs)),
        _scratch(context, operator, "arm_fully_connected_s8_get_buffer_size", ["&filter"]),
    ]
    if context.scratch(operator)[1]:
        # The vector extension's kernel begins with sums of the weights.
        arguments = ["(int32_t *)context.buf", str(count), str(outputs), f"{stem}_weights"]
        summed = c_source.call(
            "(void)arm_vector_sum_s8", [*arguments, "params.input_offset", "0", f"{stem}_bias"]
        )
        lines.append(summed)
    name = "arm_fully_connected_per_channel_s8"
    return "\n".join([*lines, _weighted_call(context, operator, name, stem)])


def _pool(context: Context, operator: PoolOperator) -> str:
    graph = context.model.graph
    source, target = operator.inputs[0], operator.output
    maximum = isinstance(operator, MaxPool2d)
    fields = {
        **structs.window(operator.stride, operator.padding),
        **structs.activation(context.model.activation_range(operator)),
    }
    channels = graph.shape(source)[2]
    getter = "" if maximum else "arm_avgpool_s8_get_buffer_size"
    arguments = ["&context", "&params", "&input", context.at(source), "&filter", "&output"]
    return "\n".join(
        [
            structs.struct("cmsis_nn_pool_params", "params", fields),
            structs.dims("input", 1, graph.shape(source)),
            structs.dims("filter", 1, (*operator.kernel, channels)),
            structs.dims("output", 1, graph.shape(target)),
            _scratch(context, operator, getter, ["output.w", "input.c"]),
            _return(
                context,
                "arm_max_pool_s8" if maximum else "arm_avgpool_s8",
                [*arguments, context.at(target)],
            ),
        ]
    )


def _add(context: Context, operator: Add) -> str:
    p = context.model.add_parameters(operator)
    arguments = [
        *(context.at(name) for name in operator.inputs),
        *map(str, (-p.zero_point1, p.multiplier1, p.shift1)),
        *map(str, (-p.zero_point2, p.multiplier2, p.shift2)),
        str(ADD_LEFT_SHIFT),
        context.at(operator.output),
        *map(str, (p.zero_point_out, p.multiplier_out, p.shift_out, p.minimum, p.maximum)),
        str(context.model.graph.tensor(operator.output).size),
    ]
    return _return(context, "arm_elementwise_add_s8", arguments)


def _concat(context: Context, operator: Concat) -> str:
    lines, written = [], 0
    inputs = context.model.concat_inputs(operator)
    for name, p in zip(operator.inputs, inputs, strict=True):
        size = context.model.graph.tensor(name).size
        factors = (p.input_zero_point, p.multiplier, p.shift, p.output_zero_point)
        arguments = [context.at(name), str(size), *map(str, factors)]
        target = context.at(operator.output, written)
        lines.append(c_source.call("requantize", [*arguments, target]))
        written += size
    return "\n".join([*lines, f"    return {context.prefix.upper()}_OK;"])


def _factors(stem: str) -> str:
    # CMSIS-NN's struct has no const; it does not write through the pointers.
    fields = {
        "multiplier": f"(int32_t *){stem}_multiplier",
        "shift": f"(int32_t *){stem}_shift",
    }
    return structs.struct("cmsis_nn_per_channel_quant_params", "factors", fields)


def _scratch(context: Context, operator: Operator, getter: str, arguments: list[str]) -> str:
    """The scratch memory, and the refusal where CMSIS-NN's ``getter``, if any, asks for more."""
    where, size = context.scratch(operator)
    given = structs.struct("cmsis_nn_context", "context", {"buf": where, "size": str(size)})
    if not getter:
        return f"{given}\n"
    needed = c_source.call(f"const int32_t needed_bytes = {getter}", arguments)
    error = f"{context.prefix.upper()}_ERROR_SCRATCH"
    refusal = f"    if (needed_bytes > context.size) {{\n        return {error};\n    }}"
    return f"{given}\n{needed}\n\n{refusal}"


def _weighted_call(context: Context, operator: WeightedOperator, name: str, stem: str) -> str:
    arguments = [
        *("&context", "&params", "&factors", "&input", context.at(operator.inputs[0])),
        *("&filter", f"{stem}_weights", "&bias", f"{stem}_bias"),
        *("&output", context.at(operator.output)),
    ]
    return _return(context, name, arguments)


def _return(context: Context, name: str, arguments: list[str]) -> str:
    call, upper = c_source.call(f"const int status = {name}", arguments), context.prefix.upper()
    return f"{call}\n    return status == ARM_CMSIS_NN_SUCCESS ? {upper}_OK : {upper}_ERROR_KERNEL;"
