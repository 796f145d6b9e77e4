"""CMSIS-NN's parameter structs as C text: pure functions of plain numbers.

CMSIS-NN adds offsets: an input's is the negative of its zero point, an output's the zero point.
Padding is above and to the left; what lies below and to the right follows from the output's size.
"""

from collections.abc import Mapping

from ...graph import Padding, Shape
from .. import c_source


def struct(c_type: str, name: str, fields: Mapping[str, str]) -> str:
    """Definition of a constant struct inside a function.

    >>> print(struct("cmsis_nn_tile", "stride", {"w": "1", "h": "2"}))
        const cmsis_nn_tile stride = {.w = 1, .h = 2};
    """
    text = ", ".join(f".{field} = {value}" for field, value in fields.items())
    line = f"    const {c_type} {name} = {{{text}}};"
    if len(line) <= c_source.LINE_LENGTH:
        return line
    body = "\n".join(f"        .{field} = {value}," for field, value in fields.items())
    return f"    const {c_type} {name} = {{\n{body}\n    }};"


def dims(name: str, n: int, shape: Shape) -> str:
    """A tensor's dimensions.

    >>> print(dims("input", 1, (8, 9, 3)))
        const cmsis_nn_dims input = {.n = 1, .h = 8, .w = 9, .c = 3};
    """
    values = {"n": n, "h": shape[0], "w": shape[1], "c": shape[2]}
    return struct("cmsis_nn_dims", name, {key: str(value) for key, value in values.items()})


def window(stride: tuple[int, int], padding: Padding) -> dict[str, str]:
    """The fields of stride and padding."""
    return {
        "stride": f"{{.w = {stride[1]}, .h = {stride[0]}}}",
        "padding": f"{{.w = {padding[2]}, .h = {padding[0]}}}",
    }


def activation(bounds: tuple[int, int]) -> dict[str, str]:
    """The field of the clamp."""
    return {"activation": f"{{.min = {bounds[0]}, .max = {bounds[1]}}}"}


def offsets(input_zero_point: int, output_zero_point: int) -> dict[str, str]:
    """The fields of both offsets.

    >>> offsets(-128, 5)
    {'input_offset': '128', 'output_offset': '5'}
    """
    return {"input_offset": str(-input_zero_point), "output_offset": str(output_zero_point)}
