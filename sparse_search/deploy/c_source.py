"""C text from values: pure functions, no file and no model."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..errors import ExportError

LINE_LENGTH: Final = 100

INTEGER_RANGES: Final = {
    "int8_t": (-(2**7), 2**7 - 1),
    "uint8_t": (0, 2**8 - 1),
    "uint16_t": (0, 2**16 - 1),
    "int32_t": (-(2**31) + 1, 2**31 - 1),
    "uint32_t": (0, 2**32 - 1),
}
"""What a value of each C type may be; INT32_MIN is left out since it has no C literal."""

C_TYPE_BYTES: Final = {
    "int8_t": 1,
    "uint8_t": 1,
    "int16_t": 2,
    "uint16_t": 2,
    "int32_t": 4,
    "uint32_t": 4,
}

_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")
_INDENT = "    "


def identifier(name: str) -> str:
    """A C identifier fragment for any name; may be empty, may start with a digit.

    >>> identifier("block 1/conv-a"), identifier("Größe")
    ('block_1_conv_a', 'Gr_e')
    """
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")


def unique_identifiers(names: Iterable[str]) -> list[str]:
    """An identifier fragment for each name, all different, in order.

    >>> unique_identifiers(["conv1", "a-b", "a b", "ß"])
    ['conv1', 'a_b', 'a_b_2', 'unnamed']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        base = identifier(name) or "unnamed"
        candidate, number = base, 1
        while candidate in taken:
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate)
        result.append(candidate)
    return result


def check_range(c_type: str, value: int, what: str) -> int:
    """Returns ``value``; raises ExportError where its C type cannot hold it.

    >>> check_range("uint8_t", 256, "conv1: k_h")
    Traceback (most recent call last):
        ...
    sparse_search.errors.ExportError: conv1: k_h: expected 0 .. 255 (uint8_t), got 256; ...
    """
    low, high = INTEGER_RANGES[c_type]
    if not low <= value <= high:
        raise ExportError(
            f"{what}: expected {low} .. {high} ({c_type}), got {value}; the C runtime cannot hold "
            "this model, make it smaller"
        )
    return value


def numbers(values: Sequence[int], indent: str = _INDENT) -> str:
    """Numbers separated by commas, broken into lines.

    >>> print(numbers([1, -2, 3], indent="  "))
      1, -2, 3,
    """
    text = ", ".join(map(str, values)) + ","
    return textwrap.fill(
        text,
        LINE_LENGTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def array(c_type: str, name: str, values: Sequence[int]) -> str:
    """Definition of a constant array of at least one integer.

    >>> print(array("int8_t", "model_conv1_values", [5, -7]))
    static const SS_RODATA SS_UNPADDED(int8_t) model_conv1_values[2] = {
        5, -7,
    };
    """
    return f"{_constant(c_type, name)}[{len(values)}] = {{\n{numbers(values)}\n}};"


def rows(values: Sequence[Sequence[int]]) -> str:
    """Initialisers of the rows of a two-dimensional array.

    >>> print(rows([[1, 2], [3, 4]]))
        {
            1, 2,
        },
        {
            3, 4,
        },
    """
    return "\n".join(f"{_INDENT}{{\n{numbers(row, 2 * _INDENT)}\n{_INDENT}}}," for row in values)


def struct(c_type: str, name: str, fields: Mapping[str, int]) -> str:
    """Definition of a constant record of integers.

    >>> print(struct("ss_pool_geometry", "model_pool1_geometry", {"k_h": 2, "k_w": 2}))
    static const SS_RODATA SS_UNPADDED(ss_pool_geometry) model_pool1_geometry = {
        .k_h = 2, .k_w = 2,
    };
    """
    text = ", ".join(f".{field} = {value}" for field, value in fields.items()) + ","
    # A field and its value stay on one line.
    glued = textwrap.fill(
        text.replace(" = ", "\0=\0"),
        LINE_LENGTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    ).replace("\0", " ")
    return f"{_constant(c_type, name)} = {{\n{glued}\n}};"


def _constant(c_type: str, name: str) -> str:
    return f"static const SS_RODATA SS_UNPADDED({c_type}) {name}"


def declaration(function: str, parameters: Sequence[str]) -> str:
    """Declaration of a function without a result, broken into lines at commas.

    >>> print(declaration("ss_add", ["const int8_t *input", "int8_t *output"]))
    void ss_add(const int8_t *input, int8_t *output);
    """
    return call(f"void {function}", parameters).removeprefix(_INDENT).replace(f"\n{_INDENT}", "\n")


def call(function: str, arguments: Sequence[str]) -> str:
    """A call as a statement inside a function, broken into lines at commas.

    >>> print(call("ss_conv2d", ["&model_conv1_geometry", "base + 0"]))
        ss_conv2d(&model_conv1_geometry, base + 0);
    """
    opening = f"{_INDENT}{function}("
    text = ", ".join(argument.replace(" ", "\0") for argument in arguments) + ");"
    return textwrap.fill(
        text,
        LINE_LENGTH,
        initial_indent=opening,
        subsequent_indent=" " * len(opening),
        break_on_hyphens=False,
        break_long_words=False,
    ).replace("\0", " ")


def comment(text: str) -> str:
    """Text that can stand in a C comment.

    >>> comment("a */ b")
    'a * / b'
    """
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())


def string_literal(text: str) -> str:
    r"""A C string literal in ASCII, other characters as UTF-8 bytes in octal.

    >>> print(string_literal('say "ü"?'))
    "say \"\303\274\"\?"
    """
    plain = {*map(ord, " !#$%&()*+,-./0123456789:;<=>@[]^_`{|}~"), *range(65, 91), *range(97, 123)}
    escapes = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?", ord("'"): "'"}
    body = "".join(
        chr(byte) if byte in plain else escapes.get(byte, f"\\{byte:03o}") for byte in text.encode()
    )
    return f'"{body}"'


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces every ``@NAME@`` of a template.

    >>> fill("#define @UPPER@_OK 0", {"UPPER": "MODEL"})
    '#define MODEL_OK 0'

    Raises:
        KeyError: The template names a value that is not there.
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
