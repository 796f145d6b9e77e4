"""The kernels that are inlined for speed, as functions that Python can call."""

from pathlib import Path

from sparse_search.deploy.runtime_files import files_for, inline_header, runtime_text

_WEIGHTS = (
    "const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int8_t *shift, "
)
_PARAMETERS = {
    "conv2d": f"const ss_conv_geometry *geometry, const int8_t *input, {_WEIGHTS}",
    "conv2d_pooled": f"const ss_pooled_conv_geometry *geometry, const int8_t *input, {_WEIGHTS}",
    "depthwise_conv2d": f"const ss_conv_geometry *geometry, const int8_t *input, {_WEIGHTS}",
    "fully_connected": (
        f"const ss_fully_connected_geometry *geometry, const int8_t *input, {_WEIGHTS}"
    ),
    "max_pool2d": "const ss_pool_geometry *geometry, const int8_t *input, ",
    "avg_pool2d": "const ss_pool_geometry *geometry, const int8_t *input, ",
    "add": "const ss_add_geometry *geometry, const int8_t *input1, const int8_t *input2, ",
}
INLINE_KINDS = tuple(_PARAMETERS)
"""Kernels that have an inline body, without "ss_"."""


def write_inline_kernels(folder: Path, prefix: str, *, small: bool) -> Path:
    """Writes a C file with a function <prefix><kind> around each body, and the headers it needs.

    Args:
        folder: Where to.
        prefix: "ss_" for the names of the shared kernels.
        small: As the bodies take it, see ``ss_output.h``.
    """
    headers = [header for kind in INLINE_KINDS if (header := inline_header(f"ss_{kind}"))]
    assert len(headers) == len(INLINE_KINDS)
    for name in files_for((), headers):
        (folder / name).write_text(runtime_text(name))
    parts = [f'#include "{header}"' for header in headers]
    for kind, parameters in _PARAMETERS.items():
        opening = f"void {prefix}{kind}({parameters}int8_t *output)"
        names = [parameter.split("*")[-1] for parameter in parameters.split(", ") if parameter]
        arguments = [*names, "output"]
        if "shift" in names:
            channels = f"ss_wide({', '.join(names[-3:])})"
            factors = "SS_SMALL_FACTORS" if small else "SS_ANY_FACTORS"
            arguments = [*names[:-3], channels, "output", factors]
        call = f"ss_{kind}_inline({', '.join(arguments)});"
        parts += [f"{opening};", opening, "{", f"    {call}", "}"]
    path = folder / "inline_kernels.c"
    path.write_text("\n".join([*parts, ""]))
    return path
