"""The parameter record of each operator: the fields of the C structs of the runtime's headers."""

from dataclasses import dataclass

from ..errors import ExportError
from ..graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
)
from ..memory.fusion import fused_pools
from ..quantized import QuantizedModel
from .c_source import C_TYPE_BYTES, check_range

_U8, _I8, _U16, _U32, _I32 = "uint8_t", "int8_t", "uint16_t", "uint32_t", "int32_t"


@dataclass(frozen=True, slots=True)
class Record:
    """A constant struct of integers.

    Attributes:
        c_type: Name of the struct.
        fields: (name, C type, value), in the order of the struct, without its reserved bytes; the
            name of a member's field follows that of the member and a dot.
        reserved_bytes: At the end of the struct; zero.
    """

    c_type: str
    fields: tuple[tuple[str, str, int], ...]
    reserved_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Its size, which is the same on every platform."""
        return sum(C_TYPE_BYTES[c_type] for _, c_type, _ in self.fields) + self.reserved_bytes

    def values(self) -> dict[str, int]:
        """Value by field."""
        return {name: value for name, _, value in self.fields}


def make_records(model: QuantizedModel, operator: Operator) -> tuple[Record, ...]:
    """The records of ``operator``, one for each call of its kernel; none if it is not called.

    Raises:
        ExportError: A value does not fit its field, or a window lies in the padding alone.
    """
    pools = fused_pools(model.graph)
    if operator in pools.values():
        return ()
    if isinstance(operator, Concat):
        records = _concat(model, operator)
    elif isinstance(operator, Add):
        records = (_add(model, operator),)
    elif isinstance(operator, Dense):
        records = (_fully_connected(model, operator),)
    elif isinstance(operator, MaxPool2d | AvgPool2d):
        records = (_pool(model.graph, operator),)
    elif isinstance(operator, Conv2d) and pools:
        records = (_pooled_conv(model, operator, pools.get(operator.name)),)
    else:
        records = (_conv(model, operator, operator.output),)
    for record in records:
        for name, c_type, value in record.fields:
            check_range(c_type, value, f"{operator.name}: {name}")
    return records


def _quantization(model: QuantizedModel, operator: Operator) -> tuple[tuple[str, str, int], ...]:
    """Zero points of input and output, and the clamp."""
    low, high = model.activation_range(operator)
    return (
        ("input_zero_point", _I8, model.tensors[operator.inputs[0]].zero_point),
        ("output_zero_point", _I8, model.tensors[operator.output].zero_point),
        ("act_min", _I8, low),
        ("act_max", _I8, high),
    )


def _window(
    graph: Graph, operator: Conv2d | DepthwiseConv2d | MaxPool2d | AvgPool2d
) -> tuple[tuple[str, str, int], ...]:
    """Kernel, stride and padding; every window must see the input, since kernels clip to it."""
    in_size, out_size = graph.shape(operator.inputs[0]), graph.shape(operator.output)
    for axis, before in enumerate((operator.padding[0], operator.padding[2])):
        last_start = (out_size[axis] - 1) * operator.stride[axis] - before
        if before >= operator.kernel[axis] or last_start >= in_size[axis]:
            raise ExportError(
                f"{operator.name}: expected every window to touch the input, got kernel "
                f"{operator.kernel} with padding {operator.padding}; use less padding"
            )
    return (
        ("k_h", _U8, operator.kernel[0]),
        ("k_w", _U8, operator.kernel[1]),
        ("s_h", _U8, operator.stride[0]),
        ("s_w", _U8, operator.stride[1]),
        ("pad_top", _U8, operator.padding[0]),
        ("pad_left", _U8, operator.padding[2]),
    )


def _conv(model: QuantizedModel, operator: Conv2d | DepthwiseConv2d, output: str) -> Record:
    """Of a convolution that writes the tensor called ``output``."""
    in_h, in_w, in_c = model.graph.shape(operator.inputs[0])
    out_h, out_w, out_c = model.graph.shape(output)
    shapes = {
        **{"in_h": in_h, "in_w": in_w, "in_c": in_c},
        **{"out_h": out_h, "out_w": out_w, "out_c": out_c},
    }
    return Record(
        "ss_conv_geometry",
        (
            *((name, _U16, size) for name, size in shapes.items()),
            *_window(model.graph, operator),
            *_quantization(model, operator),
        ),
    )


def _pooled_conv(model: QuantizedModel, operator: Conv2d, pool: MaxPool2d | None) -> Record:
    window, output = ((1, 1), operator.output) if pool is None else (pool.kernel, pool.output)
    fields = [(f"conv.{name}", kind, v) for name, kind, v in _conv(model, operator, output).fields]
    pooling = (("p_h", _U8, window[0]), ("p_w", _U8, window[1]))
    return Record("ss_pooled_conv_geometry", (*fields, *pooling))


def _pool(graph: Graph, operator: MaxPool2d | AvgPool2d) -> Record:
    in_h, in_w, channels = graph.shape(operator.inputs[0])
    out_h, out_w, _ = graph.shape(operator.output)
    shapes = {"in_h": in_h, "in_w": in_w, "channels": channels, "out_h": out_h, "out_w": out_w}
    return Record(
        "ss_pool_geometry",
        (*((name, _U16, size) for name, size in shapes.items()), *_window(graph, operator)),
    )


def _fully_connected(model: QuantizedModel, operator: Dense) -> Record:
    return Record(
        "ss_fully_connected_geometry",
        (
            ("in_count", _U32, model.graph.tensor(operator.inputs[0]).size),
            ("out_count", _U16, model.graph.tensor(operator.output).size),
            *_quantization(model, operator),
        ),
        reserved_bytes=2,
    )


def _add(model: QuantizedModel, operator: Add) -> Record:
    p = model.add_parameters(operator)
    return Record(
        "ss_add_geometry",
        (
            ("count", _U32, model.graph.tensor(operator.output).size),
            ("multiplier1", _I32, p.multiplier1),
            ("multiplier2", _I32, p.multiplier2),
            ("multiplier_out", _I32, p.multiplier_out),
            ("shift1", _I8, p.shift1),
            ("shift2", _I8, p.shift2),
            ("shift_out", _I8, p.shift_out),
            ("zero_point1", _I8, p.zero_point1),
            ("zero_point2", _I8, p.zero_point2),
            ("zero_point_out", _I8, p.zero_point_out),
            ("act_min", _I8, p.minimum),
            ("act_max", _I8, p.maximum),
        ),
    )


def _concat(model: QuantizedModel, operator: Concat) -> tuple[Record, ...]:
    """One record for each input."""
    return tuple(
        Record(
            "ss_concat_geometry",
            (
                ("count", _U32, model.graph.tensor(name).size),
                ("multiplier", _I32, p.multiplier),
                ("shift", _I8, p.shift),
                ("input_zero_point", _I8, p.input_zero_point),
                ("output_zero_point", _I8, p.output_zero_point),
            ),
            reserved_bytes=1,
        )
        for name, p in zip(operator.inputs, model.concat_inputs(operator), strict=True)
    )
