"""Lifetimes: which bytes must exist while which operator runs.

Time is the index of the operator that runs. A lifetime includes both its ends: while an operator
runs, what it reads and what it writes exist together; how far they may overlap says ``overlap``.
Under the runtime's kernels a convolution may write the output of the pooling after it (``fusion``):
that one exists earlier, and the map between the two does not exist.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import MemoryPlanError
from ..graph import Graph
from .cmsis_nn import operator_scratch_bytes
from .fusion import fused_pools
from .kernels import KernelLibrary

BufferKind: TypeAlias = Literal["tensor", "scratch"]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Bytes in RAM and the operators during which they must not be overwritten.

    Attributes:
        name: Of the tensor, or "<operator>:scratch".
        kind: "tensor" or "scratch".
        size_bytes: At least 1, before alignment.
        first: Index of the first operator that needs it.
        last: Index of the last one, inclusive.
    """

    name: str
    kind: BufferKind
    size_bytes: int
    first: int
    last: int


def find_lifetimes(graph: Graph, kernels: KernelLibrary) -> list[Lifetime]:
    """The tensors of ``graph`` that exist, the input first, then scratch memory of its operators.

    The input exists from the first operator on, since the caller fills it; the output exists
    to the end, since the caller reads it.

    Raises:
        MemoryPlanError: The graph has no operator.
    """
    operators = graph.operators
    if not operators:
        raise MemoryPlanError("expected a graph with at least one operator, got none")
    last_use = {name: index for index, op in enumerate(operators) for name in op.inputs}
    last_use[graph.output.name] = len(operators) - 1
    pools = fused_pools(graph) if kernels is KernelLibrary.RUNTIME else {}
    unwritten = {pool.inputs[0] for pool in pools.values()}
    first_write = {tensor.name: max(index - 1, 0) for index, tensor in enumerate(graph.tensors)}
    for pool in pools.values():
        first_write[pool.output] = first_write[pool.inputs[0]]
    lifetimes = []
    for tensor in graph.tensors:
        if tensor.name in unwritten:
            continue
        first = first_write[tensor.name]
        last = last_use.get(tensor.name, first)
        lifetimes.append(Lifetime(tensor.name, "tensor", tensor.size, first, last))
    if kernels is not KernelLibrary.RUNTIME:
        for index, op in enumerate(operators):
            size = operator_scratch_bytes(graph, op, kernels)
            if size:
                lifetimes.append(Lifetime(f"{op.name}:scratch", "scratch", size, index, index))
    return lifetimes
