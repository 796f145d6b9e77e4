"""The C files of the kernels over weights: a few lines each, around one common body.

Operator, positions and values of a kernel are headers of the runtime that its C file includes (see
``ss_cursor.h``), and a macro says in which form the constants of its channels are (see
``ss_channels.h``); so every kernel is written once, and only those that a model uses are compiled.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..encoding import ALL_ENCODINGS, ENCODINGS
from ..encoding.encodings import DENSE
from ..encoding.positions import Bitmap, Columns, Dense, Gaps, Lists, Positions
from ..encoding.values import Codebook, Values
from . import c_source

ENCODED = MappingProxyType({"conv2d": "ss_conv2d", "dense": "ss_fully_connected"})
"""The runtime's name by kind of operator, of those whose weights may be encoded."""

_OPERATORS = MappingProxyType({**ENCODED, "depthwise_conv2d": "ss_depthwise_conv2d"})
_TITLES = {
    "ss_conv2d": "Convolution",
    "ss_fully_connected": "Fully connected operator",
    "ss_depthwise_conv2d": "Depthwise convolution",
}
_GEOMETRIES = {
    "ss_conv2d": "ss_conv_geometry",
    "ss_fully_connected": "ss_fully_connected_geometry",
    "ss_depthwise_conv2d": "ss_conv_geometry",
}
_POOLING = ENCODED["conv2d"]
_KERNEL = re.compile(
    rf"({'|'.join(_OPERATORS.values())})(?:_(\w+?))??(_narrow)?(_pooled)?(_pairs)?"
)
_BITS = {2: "two", 3: "three", 4: "four", 8: "eight"}


def kernel_name(
    kind: str, encoding: str = DENSE, *, narrow: bool = False, pooled: bool = False
) -> str:
    """The runtime function for an operator.

    Args:
        kind: Of the operator.
        encoding: Of its weights.
        narrow: Whether the constants of its channels are.
        pooled: Whether it keeps the largest output of each window; a convolution only.

    >>> kernel_name("dense", "gaps4_codebook3"), kernel_name("conv2d", narrow=True, pooled=True)
    ('ss_fully_connected_gaps4_codebook3', 'ss_conv2d_narrow_pooled')
    """
    if kind not in _OPERATORS:
        return f"ss_{kind}"
    encoded = "" if encoding == DENSE else f"_{encoding}"
    return f"{_OPERATORS[kind]}{encoded}{'_narrow' if narrow else ''}{'_pooled' if pooled else ''}"


def weighted_kernels() -> Iterator[str]:
    """Every kernel over weights."""
    for narrow in (False, True):
        for kind in _OPERATORS:
            yield kernel_name(kind, narrow=narrow)
        yield kernel_name("conv2d", narrow=narrow, pooled=True)
        for encoding in ALL_ENCODINGS:
            for kind in ENCODED if encoding != DENSE else ():
                for pooled in (False, True) if kind == "conv2d" else (False,):
                    kernel = kernel_name(kind, encoding, narrow=narrow, pooled=pooled)
                    yield kernel
                    if (pair := paired(kernel)) is not None:
                        yield pair


def paired(kernel: str) -> str | None:
    """The kernel that reads each weight once for two pixels: faster, and more code.

    >>> paired("ss_conv2d_gaps4"), paired("ss_fully_connected_gaps4"), paired("ss_conv2d_narrow")
    ('ss_conv2d_gaps4_pairs', None, None)
    """
    parts = _Parts.of(f"{kernel}_pairs")
    return None if parts is None else f"{kernel}_pairs"


def inline_name(kernel: str) -> str:
    """The function that specialises a kernel; it takes channels of either form.

    >>> inline_name("ss_conv2d_narrow_pooled"), inline_name("ss_add")
    ('ss_conv2d_pooled_inline', 'ss_add_inline')
    """
    return f"{kernel.replace('_narrow', '')}_inline"


def positions_suffix(positions: Positions) -> str:
    """Last part of the name of the array that says which weights are stored."""
    inner = positions.inner if isinstance(positions, Columns) else positions
    if isinstance(inner, Bitmap):
        return "bitmap"
    return "gaps" if isinstance(inner, Gaps) else "lists"


def kernel_text(name: str, templates: Path) -> str | None:
    """The text of the C or header file of a kernel over weights; None for other names.

    The header that describes an operator's formula is written by hand, as that of the kernel whose
    weights are dense and whose channels are wide.

    Args:
        name: Of the file.
        templates: Folder of the templates.
    """
    stem, _, ending = name.rpartition(".")
    parts = _Parts.of(stem)
    if parts is None or ending not in ("c", "h") or (ending == "h" and stem == parts.operator):
        return None
    template = (templates / f"weighted.{ending}.template").read_text(encoding="utf-8")
    return c_source.fill(template, _values(stem, parts))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the name of a kernel says.

    Attributes:
        operator: Such as "ss_conv2d".
        encoding: Of the weights.
        narrow: Whether the constants of its channels are.
        pooled: Whether it keeps the largest output of each window.
        pairs: Whether it computes two pixels at a time.
    """

    operator: str
    encoding: str
    narrow: bool
    pooled: bool
    pairs: bool

    @staticmethod
    def of(kernel: str) -> "_Parts | None":
        """Of a kernel; None where there is none of this name."""
        match = _KERNEL.fullmatch(kernel)
        if match is None:
            return None
        narrow, pooled, pairs = (bool(found) for found in match.group(3, 4, 5))
        parts = _Parts(match[1], match[2] or DENSE, narrow, pooled, pairs)
        encoded = match[2] is not None
        known = not encoded or (
            parts.encoding in ENCODINGS
            and parts.encoding != DENSE
            and parts.operator in ENCODED.values()
        )
        may_pool = parts.operator == _POOLING
        may_pair = encoded and may_pool
        allowed = (may_pair or not parts.pairs) and (may_pool or not parts.pooled)
        return parts if known and allowed else None

    @property
    def title(self) -> str:
        """What it computes, for comments."""
        said = [f"{_TITLES[self.operator]}{' with max pooling' if self.pooled else ''}"]
        said += ["by pairs of pixels"] if self.pairs else []
        said.append(
            "over encoded weights" if self.encoding != DENSE else "with every weight stored"
        )
        said += ["with narrow channels"] if self.narrow else []
        return ", ".join(said)


def _values(kernel: str, parts: _Parts) -> Mapping[str, str]:
    """Text by placeholder of the templates."""
    positions, values = ENCODINGS[parts.encoding].positions, ENCODINGS[parts.encoding].values
    dense = parts.encoding == DENSE
    position_header, position_macros = _positions_parts(positions)
    value_header, value_macros = _values_parts(values)
    macros: dict[str, object] = {"SS_KERNEL": kernel}
    macros |= {} if dense else {**position_macros, **value_macros}
    macros |= {"SS_PAIRS": 1} if parts.pairs else {}
    macros |= {"SS_NARROW": 1} if parts.narrow else {}
    macros |= {"SS_POOLED": 1} if parts.pooled else {}
    geometry = "ss_pooled_conv_geometry" if parts.pooled else _GEOMETRIES[parts.operator]
    headers = [] if dense else [value_header, position_header]
    headers.append(f"{parts.operator}_{'dense' if dense else 'encoded'}")
    arrays = [*_weight_arrays(positions, values, dense=dense), *_channel_arrays(parts)]
    parameters = [
        f"const {geometry} *geometry",
        "const int8_t *input",
        *(f"const {c_type} *{suffix}" for suffix, c_type, _ in arrays),
        "int8_t *output",
    ]
    described = [
        f" * {suffix:<11} {c_type.removesuffix('_t')} {text}"
        for suffix, c_type, text in arrays
        if text
    ]
    return {
        "KERNEL": kernel,
        "GUARD": kernel.upper(),
        "OPERATOR": parts.operator,
        "TITLE": parts.title,
        "POOLED": " and pools it" if parts.pooled else "",
        "GEOMETRY": geometry,
        "ARGUMENTS": "\n".join(described),
        "MACROS": "\n".join(f"#define {macro} {value}" for macro, value in macros.items()),
        "BODY": "\n".join(f'#include "{header}.h"' for header in headers),
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


def _weight_arrays(
    positions: Positions, values: Values, *, dense: bool
) -> Sequence[tuple[str, str, str]]:
    """(name, C type, what it is) of the arrays that hold the weights, in the kernel's order."""
    if dense:
        return [("weights", "int8_t", "")]
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


def _channel_arrays(parts: _Parts) -> Sequence[tuple[str, str, str]]:
    """The same of the arrays that hold the constants of channels."""
    if not parts.narrow:
        return [("bias", "int32_t", ""), ("multiplier", "int32_t", ""), ("shift", "int8_t", "")]
    return [
        ("bias", "int16_t", "in steps that ss_channels.h explains"),
        ("multiplier", "int32_t", "[1], of every channel"),
        ("shift", "int8_t", ""),
    ]
