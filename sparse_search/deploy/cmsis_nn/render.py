"""The text of every generated file of an export that calls CMSIS-NN. Writes nothing."""

from ...errors import ExportError
from ...graph import Concat
from ...memory import MemoryPlan
from .. import c_source
from ..lowering import check_plan, describe
from ..render import Source, template_values
from ..runtime_files import RUNTIME_DIR
from . import operators

_ERRORS = """
#define @UPPER@_ERROR_SCRATCH 4 /* CMSIS-NN needs more scratch memory: planned for another core */
#define @UPPER@_ERROR_KERNEL 5 /* CMSIS-NN refuses the parameters of an operator */"""

# CMSIS-NN says what it needs, and refuses, operator by operator.
_AFTER_ERROR = """\
of the arena nothing has been read or written. The others come from an operator on the way: the
 * input may be overwritten then, and there is no output."""

# CMSIS-NN has no concatenation of tensors of different scales.
_CONCAT = """
static void requantize(const int8_t *input, size_t count, int32_t input_zero_point,
                       int32_t multiplier, int32_t shift, int32_t output_zero_point,
                       int8_t *output)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t value = arm_nn_requantize(input[i] - input_zero_point, multiplier, shift);
        const int32_t moved = value + output_zero_point;

        output[i] = (int8_t)(moved < -128 ? -128 : moved > 127 ? 127 : moved);
    }
}
"""


def render_cmsis_nn(source: Source) -> dict[str, str]:
    """Text by file name.

    Args:
        source: Of a model planned for one of CMSIS-NN's libraries; its ``steps`` are not read.

    Raises:
        ExportError: The plan is of another model, or CMSIS-NN is known to compute an operator
            wrongly.
    """
    values = template_values(source) | _values(source)
    values["ERRORS"] = c_source.fill(_ERRORS, values)
    values["AFTER_ERROR"] = _AFTER_ERROR
    templates = {
        f"{source.prefix}.h": "model.h",
        f"{source.prefix}.c": "cmsis_nn_model.c",
        f"{source.prefix}_weights.h": "cmsis_nn_weights.h",
        "main.c": "main.c",
        "Makefile": "cmsis_nn_Makefile",
        "CMakeLists.txt": "cmsis_nn_CMakeLists.txt",
    }
    return {
        name: c_source.fill((RUNTIME_DIR / f"{template}.template").read_text(), values)
        for name, template in templates.items()
    }


def _values(source: Source) -> dict[str, str]:
    """Text by placeholder that differs from that of the runtime's own kernels."""
    graph, plan = source.model.graph, source.plan
    check_plan(source.model, plan, plan.kernels)
    _check_alignment(plan)
    context = operators.Context(source.model, plan, source.prefix)
    functions, calls, tables = [], [], []
    identifiers = c_source.unique_identifiers(op.name for op in graph.operators)
    for index, (operator, identifier) in enumerate(zip(graph.operators, identifiers, strict=True)):
        stem = f"{source.prefix}_{identifier}"
        title = f"/* {c_source.comment(operator.name)}: {describe(graph, operator)} */"
        body = operators.body(context, operator, stem)
        functions.append(f"{title}\nstatic int {stem}_run(int8_t *base)\n{{\n{body}\n}}")
        size = graph.tensor(operator.output).size
        calls.append(
            f"    code = {stem}_run(base);\n    if (code != {source.prefix.upper()}_OK) {{\n"
            "        return code;\n    }\n"
            f"    TRACE({index}, {context.at(operator.output)}, {size});"
        )
        if table := operators.constants(context, operator, stem):
            tables.append(f"{title}\n{table}")
    joins = any(isinstance(operator, Concat) for operator in graph.operators)
    return {
        "CONCAT": _CONCAT if joins else "",
        "FUNCTIONS": "\n\n".join(functions),
        "CALLS": "\n".join(calls),
        "TABLES": "\n\n".join(tables),
    }


def _check_alignment(plan: MemoryPlan) -> None:
    """Scratch memory holds int32 numbers."""
    for a in plan.allocations:
        if a.kind == "scratch" and a.offset_bytes % 4:
            raise ExportError(f"expected {a.name} at a multiple of 4, got {a.offset_bytes}")
