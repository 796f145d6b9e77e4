"""How the weights of every layer of a model will be stored: counted, or predicted from a graph."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..builder import GREY
from ..encoding import (
    DENSE_ONLY,
    EncodingPolicy,
    Layer,
    Option,
    allowed_encodings,
    choose,
    measured_options,
    predicted_options,
)
from ..errors import MemoryPlanError
from ..graph import Conv2d, DepthwiseConv2d, Graph, Operator, WeightedOperator
from ..integer import narrow_channels
from .kernels import KernelLibrary

if TYPE_CHECKING:
    from ..quantized import QuantizedModel

UNPRUNED_OPERATORS = frozenset({GREY})
"""Operators by name whose weights are fixed by definition (colour to grey)."""


def nonzero_weights(
    subject: "Graph | QuantizedModel", sparsity: float | Mapping[str, float]
) -> Mapping[str, int]:
    """Nonzero weights by operator name: predicted for a graph, counted for a model.

    Raises:
        MemoryPlanError: A sparsity is impossible, or given for a model.
    """
    if not isinstance(subject, Graph):
        if sparsity != 0.0:
            raise MemoryPlanError(
                f"expected sparsity 0 for a quantized model, whose zeros are counted, "
                f"got {sparsity}"
            )
        return {name: int(np.count_nonzero(w.weights)) for name, w in subject.weights.items()}
    nonzeros = {}
    for op in subject.weighted:
        count = subject.weight_count(op)
        share = sparsity.get(op.name, 0.0) if isinstance(sparsity, Mapping) else sparsity
        if not 0.0 <= share <= 1.0:
            raise MemoryPlanError(f"expected a sparsity in [0, 1], got {share}")
        pruned = 0 if op.name in UNPRUNED_OPERATORS else round(share * count)
        nonzeros[op.name] = count - pruned
    return nonzeros


def stored_weights(
    subject: "Graph | QuantizedModel",
    nonzeros: Mapping[str, int],
    kernels: KernelLibrary,
    codebook_bits: int | None,
    policy: EncodingPolicy,
) -> Mapping[str, Option]:
    """The encoding of every weighted operator by name.

    Args:
        subject: A model, whose weights are encoded, or a graph, for which the bytes are the most
            that weights of these counts can take.
        nonzeros: Nonzero weights by operator name.
        kernels: Whose kernels read the weights.
        codebook_bits: The weights of a graph take at most 2^bits different values in each layer,
            but for depthwise and fixed ones.
        policy: What to choose by; CMSIS-NN's kernels leave no choice.

    Raises:
        MemoryPlanError: ``codebook_bits`` is given for a model, or below 1.
    """
    graph = subject if isinstance(subject, Graph) else subject.graph
    if codebook_bits is not None and (codebook_bits < 1 or not isinstance(subject, Graph)):
        raise MemoryPlanError(
            "expected codebook_bits of 1 or more, for a graph only, since the values of a "
            f"quantized model are counted, got {codebook_bits}"
        )
    layers = []
    runtime = kernels is KernelLibrary.RUNTIME
    for op in graph.weighted:
        readable = allowed_encodings(op.kind) if runtime else DENSE_ONLY
        weights = graph.weight_count(op)
        if isinstance(subject, Graph):
            clustered = not isinstance(op, DepthwiseConv2d) and op.name not in UNPRUNED_OPERATORS
            bits = codebook_bits if clustered else None
            options = predicted_options(weights, nonzeros[op.name], readable, bits)
        else:
            options = measured_options(_rows(graph, op, subject.weights[op.name].weights), readable)
        height, width, outputs = graph.shape(op.output)
        runs = outputs * op.kernel[0] if isinstance(op, Conv2d) else 0
        layers.append(Layer(op.kind, height * width, outputs, runs, weights, options))
    chosen = choose(layers, policy)
    return {op.name: option for op, option in zip(graph.weighted, chosen, strict=True)}


def _rows(graph: Graph, operator: WeightedOperator, weights: NDArray[Any]) -> NDArray[np.int8]:
    """The weights as [output channels, weights of each]."""
    return weights.reshape(graph.bias_count(operator), -1)


def has_narrow_channels(
    subject: "Graph | QuantizedModel", operator: Operator, kernels: KernelLibrary
) -> bool:
    """Whether the constants of an operator's channels are narrow, or those of a graph will be."""
    if kernels is not KernelLibrary.RUNTIME or not isinstance(operator, WeightedOperator):
        return False
    if isinstance(subject, Graph):
        return True
    return narrow_channels(subject.weights[operator.name]) is not None
