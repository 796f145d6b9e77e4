"""What a firmware around an export will measure, said before anything is compiled.

Data are exact: the arena and the constants are those of the memory plan, and neither model nor
harness has a variable of its own. Code and stack come from a table (``code_table``). Where kernels
are specialised for speed, constants are a bound, and code and stack are not predicted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..encoding import ENCODINGS
from ..encoding.encodings import DENSE
from ..graph import Add, Concat, Graph, MaxPool2d, WeightedOperator
from ..memory import MemoryPlan
from .code_table import read_table
from .manifest import Manifest
from .weighted_kernels import kernel_name

HARNESS_BYTES: Final = 0
"""Of .data and .bss: the harness keeps what it needs on its stack."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Figures of a linked and running firmware.

    Attributes:
        arena_bytes: Written working memory, rounded up to the plan's alignment.
        data_bytes: Of .data.
        bss_bytes: Of .bss.
        constant_bytes: Of .rodata.
        exact_constants: Whether ``constant_bytes`` are exact; else they are the most, since
            compilers fold records into code that is specialised by them.
        code_bytes: Of .text; None where the table has no figures.
        stack_bytes: Of a call; None where the table has no figures.
    """

    arena_bytes: int
    data_bytes: int
    bss_bytes: int
    constant_bytes: int
    exact_constants: bool
    code_bytes: int | None
    stack_bytes: int | None


def predict(manifest: Manifest, graph: Graph, core: str) -> Prediction:
    """The figures of an export on a core.

    Args:
        manifest: Of the export.
        graph: Of its model.
        core: Name of an emulated core.
    """
    plan = manifest.memory_plan
    shared = manifest.optimize == "size"
    # The table holds shared kernels.
    code = read_table().get(core) if shared else None
    forms = [
        KernelForm(layer["encoding"], layer.get("narrow", False), layer.get("fused", False))
        for layer in plan["layers"]
    ]
    calls = kernel_calls(graph, forms)
    return Prediction(
        arena_bytes=int(plan["arena_bytes"]),
        data_bytes=0,
        bss_bytes=int(plan["arena_bytes"]) + HARNESS_BYTES,
        constant_bytes=int(plan["flash_bytes"]),
        exact_constants=shared,
        code_bytes=None if code is None else code.predict_code(calls),
        stack_bytes=None if code is None else code.predict_stack(calls),
    )


class KernelForm(NamedTuple):
    """What decides which kernel an operator calls, as in ``LayerCost``; None without weights."""

    encoding: str | None
    narrow: bool
    fused: bool


def kernel_forms(plan: MemoryPlan) -> list[KernelForm]:
    """Those of the operators of a model."""
    return [KernelForm(layer.encoding, layer.narrow, layer.fused) for layer in plan.layers]


def kernel_calls(graph: Graph, forms: Iterable[KernelForm]) -> list[tuple[str, int]]:
    """(kernel, number of arguments) of every call in the C of a model.

    Args:
        graph: Of the model.
        forms: Of each operator.
    """
    calls: list[tuple[str, int]] = []
    for operator, (encoding, narrow, fused) in zip(graph.operators, forms, strict=True):
        if fused and isinstance(operator, MaxPool2d):
            continue
        kernel = kernel_name(operator.kind, encoding or DENSE, narrow=narrow, pooled=fused)
        if isinstance(operator, WeightedOperator):
            parts = ENCODINGS[encoding or DENSE]
            # geometry, input, bias, multiplier, shift, output; positions; values or their places
            # and the codebook
            arguments = 6 + bool(parts.positions.name) + (2 if parts.values.has_table else 1)
            calls.append((kernel, arguments))
        elif isinstance(operator, Concat):
            calls += [(kernel, 3)] * len(operator.inputs)
        else:
            calls.append((kernel, 4 if isinstance(operator, Add) else 3))
    return calls
