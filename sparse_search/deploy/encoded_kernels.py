"""The C files of the kernels over encoded weights: a few lines each, around one common body.

Operator, positions and values of a kernel are headers of the runtime that its C file includes in
that order (see ``ss_cursor.h``); so every kernel is written once, and only those that a model uses
are compiled.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ..encoding import ENCODINGS
from ..encoding.encodings import DENSE
from ..encoding.positions import Bitmap, Columns, Dense, Gaps, Lists, Positions
from ..encoding.values import Codebook, Values
from . import c_source

OPERATORS = MappingProxyType({"conv2d": "ss_conv2d", "dense": "ss_fully_connected"})
"""The runtime's name by kind of operator, of those that have kernels over encoded weights."""

_TITLES = {"ss_conv2d": "Convolution", "ss_fully_connected": "Fully connected operator"}
_GEOMETRIES = {
    "ss_conv2d": "ss_conv_geometry",
    "ss_fully_connected": "ss_fully_connected_geometry",
}
_KERNEL = re.compile(rf"({'|'.join(OPERATORS.values())})_(\w+?)(_pairs)?")
_BITS = {2: "two", 3: "three", 4: "four", 8: "eight"}


def kernel_name(kind: str, encoding: str) -> str:
    """The runtime function for an operator of this kind with weights in this encoding.

    >>> kernel_name("dense", "gaps4_codebook3"), kernel_name("depthwise_conv2d", "dense")
    ('ss_fully_connected_gaps4_codebook3', 'ss_depthwise_conv2d')
    """
    operator = OPERATORS.get(kind, f"ss_{kind}")
    return operator if encoding == DENSE else f"{operator}_{encoding}"


def paired(kernel: str) -> str | None:
    """The kernel that reads each weight once for two pixels: faster, and more code.

    >>> paired("ss_conv2d_gaps4"), paired("ss_fully_connected_gaps4"), paired("ss_conv2d")
    ('ss_conv2d_gaps4_pairs', None, None)
    """
    match = _KERNEL.fullmatch(kernel)
    encoded = match is not None and match[1] == OPERATORS["conv2d"] and match[2] in ENCODINGS
    return f"{kernel}_pairs" if encoded else None


def positions_suffix(positions: Positions) -> str:
    """Last part of the name of the array that says which weights are stored."""
    inner = positions.inner if isinstance(positions, Columns) else positions
    if isinstance(inner, Bitmap):
        return "bitmap"
    return "gaps" if isinstance(inner, Gaps) else "lists"


def kernel_text(name: str, templates: Path) -> str | None:
    """The text of the C or header file of a kernel over encoded weights; None for other names.

    Args:
        name: Of the file.
        templates: Folder of the templates.
    """
    stem, _, ending = name.rpartition(".")
    match = _KERNEL.fullmatch(stem)
    if match is None or match[2] == DENSE or match[2] not in ENCODINGS or ending not in ("c", "h"):
        return None
    if match[3] and match[1] != OPERATORS["conv2d"]:
        return None
    template = (templates / f"encoded.{ending}.template").read_text(encoding="utf-8")
    return c_source.fill(template, _values(stem, match[1], match[2], bool(match[3])))


def _values(kernel: str, operator: str, encoding: str, pairs: bool) -> Mapping[str, str]:
    """Text by placeholder of the templates."""
    positions, values = ENCODINGS[encoding].positions, ENCODINGS[encoding].values
    position_header, position_macros = _positions_parts(positions)
    value_header, value_macros = _values_parts(values)
    macros = {"SS_KERNEL": kernel, **position_macros, **value_macros}
    if pairs:
        macros["SS_PAIRS"] = 1
    geometry = _GEOMETRIES[operator]
    parameters = [
        f"const {geometry} *geometry",
        "const int8_t *input",
        *(f"const {c_type} *{suffix}" for suffix, c_type, _ in _arrays(positions, values)),
        "const int32_t *bias",
        "const int32_t *multiplier",
        "const int8_t *shift",
        "int8_t *output",
    ]
    described = [
        f" * {suffix:<11} {c_type.removesuffix('_t')} {text}"
        for suffix, c_type, text in _arrays(positions, values)
    ]
    return {
        "KERNEL": kernel,
        "GUARD": kernel.upper(),
        "OPERATOR": operator,
        "TITLE": f"{_TITLES[operator]}{', by pairs of pixels,' if pairs else ''}",
        "GEOMETRY": geometry,
        "ARGUMENTS": "\n".join(described),
        "MACROS": "\n".join(f"#define {macro} {value}" for macro, value in macros.items()),
        "POSITIONS": position_header,
        "VALUES": value_header,
        "DECLARATION": c_source.declaration(kernel, parameters),
    }


def _positions_parts(positions: Positions) -> tuple[str, dict[str, int]]:
    """Header, and the macros that it reads."""
    if isinstance(positions, Columns):
        header, macros = _positions_parts(positions.inner)
        return header, {**macros, "SS_SHARED_ROW": 1}
    if isinstance(positions, Gaps):
        return "ss_positions_gaps", {"SS_GAP_BITS": positions.bits}
    if isinstance(positions, Lists):
        return "ss_positions_lists", {"SS_LIST_BYTES": positions.bytes_each}
    return f"ss_positions_{'bitmap' if isinstance(positions, Bitmap) else 'dense'}", {}


def _values_parts(values: Values) -> tuple[str, dict[str, int]]:
    """Header, and the macros that it reads."""
    if isinstance(values, Codebook):
        return "ss_values_codebook", {"SS_CODEBOOK_BITS": values.bits}
    return "ss_values_int8", {}


def _arrays(positions: Positions, values: Values) -> Sequence[tuple[str, str, str]]:
    """(name, C type, what it is) of the arrays that hold the weights, in the kernel's order."""
    arrays = []
    if not isinstance(positions, Dense):
        header, _ = _positions_parts(positions)
        said = "which columns are kept" if isinstance(positions, Columns) else "what is stored"
        arrays.append((positions_suffix(positions), "uint8_t", f"{said}, see {header}.h"))
    if isinstance(values, Codebook):
        arrays.append(
            ("indices", "uint8_t", f"of {_BITS[values.bits]} bits, see ss_values_codebook.h")
        )
        arrays.append(("codebook", "int8_t", f"[at most {1 << values.bits}]"))
    else:
        arrays.append(("values", "int8_t", "[stored weights]"))
    return arrays
