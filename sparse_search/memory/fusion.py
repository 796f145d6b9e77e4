"""Fusion: max poolings that the convolution before them does itself.

The runtime's convolution can keep the largest output of each window in place of all outputs, so the
map between the two, often the largest tensor of a network, never exists. Results are those of two
operators, which the graph still has; only who writes what, and when, is different.

| symbol | meaning |
|---|---|
| p_h, p_w | window of the pooling, which is its stride, too |

    y[i, j] = max over a < p_h, b < p_w of conv(x)[i p_h + a, j p_w + b]

A pooling is fused where its windows tile the map and nothing else reads the map.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..graph import Conv2d, Graph, MaxPool2d, Operator


@dataclass(frozen=True, slots=True)
class Run:
    """What one kernel does: an operator, or a convolution with its pooling.

    Attributes:
        operator: The operator that reads.
        pool: What the kernel does to its output; None for nothing.
    """

    operator: Operator
    pool: MaxPool2d | None = None

    @property
    def output(self) -> str:
        """The tensor that is written."""
        return self.operator.output if self.pool is None else self.pool.output

    @property
    def operators(self) -> tuple[Operator, ...]:
        """One or two, in execution order."""
        return (self.operator,) if self.pool is None else (self.operator, self.pool)


def fused_pools(graph: Graph) -> Mapping[str, MaxPool2d]:
    """By name of the convolution, the pooling that its kernel does."""
    pools = [op for op in graph.operators if isinstance(op, MaxPool2d)]
    if not pools:
        return {}
    convolutions = {op.output: op.name for op in graph.operators if isinstance(op, Conv2d)}
    return {
        convolutions[pool.inputs[0]]: pool
        for pool in pools
        if pool.inputs[0] in convolutions
        and pool.stride == pool.kernel
        and not any(pool.padding)
        and len(graph.consumers(pool.inputs[0])) == 1
    }


def runs(graph: Graph) -> list[Run]:
    """What is run, in the order of the graph's operators."""
    pools = fused_pools(graph)
    fused = {pool.name for pool in pools.values()}
    return [Run(op, pools.get(op.name)) for op in graph.operators if op.name not in fused]
