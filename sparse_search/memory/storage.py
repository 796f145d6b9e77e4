"""How the weights of every layer of a model will be stored: counted, or predicted from a graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..builder import GREY, is_compressible
from ..encoding import (
    DENSE_ONLY,
    ENCODINGS,
    EncodingPolicy,
    Layer,
    Option,
    allowed_encodings,
    choose,
    code_bytes,
    common_values,
    joint_table,
    measured_options,
    predicted_options,
)
from ..errors import MemoryPlanError
from ..graph import Conv2d, Graph, Operator, WeightedOperator
from ..integer import narrow_channels
from .kernels import KernelLibrary

if TYPE_CHECKING:
    from ..quantized import QuantizedModel


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
        pruned = 0 if op.name == GREY else round(share * count)
        nonzeros[op.name] = count - pruned
    return nonzeros


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """How the weights of an operator will lie in flash.

    Attributes:
        encoding: Its name.
        bytes: In flash, with the table of a codebook if the operator holds it.
        codebook_of: The operator that holds the table of values, itself or an earlier one; None
            without a codebook.
    """

    encoding: str
    bytes: int
    codebook_of: str | None


def stored_weights(
    subject: "Graph | QuantizedModel",
    nonzeros: Mapping[str, int],
    kernels: KernelLibrary,
    codebook_bits: int | None,
    policy: EncodingPolicy,
) -> Mapping[str, StoredWeights]:
    """How the weights of every weighted operator are stored, by name.

    Layers with codebooks either have a table of their own each, or those that can share one: what
    takes fewer bytes in all.

    Args:
        subject: A model, whose weights are encoded, or a graph, for which the bytes are the most
            that weights of these counts can take.
        nonzeros: Nonzero weights by operator name.
        kernels: Whose kernels read the weights.
        codebook_bits: The weights of a graph take at most 2^bits different values in all, but for
            depthwise and fixed ones.
        policy: What to choose by; CMSIS-NN's kernels leave no choice.

    Raises:
        MemoryPlanError: ``codebook_bits`` is given for a model, or below 1.
    """
    if codebook_bits is not None and (codebook_bits < 1 or not isinstance(subject, Graph)):
        raise MemoryPlanError(
            "expected codebook_bits of 1 or more, for a graph only, since the values of a "
            f"quantized model are counted, got {codebook_bits}"
        )
    runtime = kernels is KernelLibrary.RUNTIME
    weights: _Weights
    if isinstance(subject, Graph):
        weights = _PredictedWeights(subject, nonzeros, codebook_bits, runtime)
    else:
        weights = _MeasuredWeights(subject, runtime)
    found = [_choose(weights, policy, shared=False)]
    if runtime and policy.shared_table and weights.can_share:
        found.append(_choose(weights, policy, shared=True))
    return min(found, key=lambda entry: entry[0])[1]


def _choose(
    weights: "_Weights", policy: EncodingPolicy, *, shared: bool
) -> tuple[int, Mapping[str, StoredWeights]]:
    """What is stored how, and what the policy makes least: the bytes of it, maybe with code."""
    layers = weights.layers(shared=shared)
    chosen = choose([layer for _, layer in layers], policy)
    stored: dict[str, StoredWeights] = {}
    sharing: dict[str, str] = {}
    for (name, _), option in zip(layers, chosen, strict=True):
        holder = name if ENCODINGS[option.encoding].values.has_table else None
        if option.shares:
            sharing[name] = option.encoding
            holder = next(iter(sharing))
        stored[name] = StoredWeights(option.encoding, option.bytes, holder)
    if sharing:
        first = next(iter(sharing))
        whole = stored[first].bytes + weights.table_bytes(sharing)
        stored[first] = replace(stored[first], bytes=whole)
    total = sum(entry.bytes for entry in stored.values())
    if policy.count_code:
        total += code_bytes([layer for _, layer in layers], chosen)
    return total, stored


class _Weights(Protocol):
    """What is known of the weights that are to be stored."""

    @property
    def can_share(self) -> bool:
        """Whether there may be a table for more than one layer."""
        ...

    def layers(self, *, shared: bool) -> Sequence[tuple[str, Layer]]:
        """Each weighted operator by name; where tables may be shared the options say so."""
        ...

    def table_bytes(self, sharing: Mapping[str, str]) -> int:
        """Values of the table of operators that share one, by name, with their encodings."""
        ...


@dataclass(frozen=True)
class _PredictedWeights:
    """Those of a graph, of which counts are known."""

    graph: Graph
    nonzeros: Mapping[str, int]
    codebook_bits: int | None
    runtime: bool

    @property
    def can_share(self) -> bool:
        return self.codebook_bits is not None

    def layers(self, *, shared: bool) -> Sequence[tuple[str, Layer]]:
        found = []
        for op in self.graph.weighted:
            count = self.graph.weight_count(op)
            bits = self.codebook_bits if is_compressible(op) else None
            options = predicted_options(
                *(count, self.nonzeros[op.name], _readable(op, self.runtime), bits),
                shares=shared and bits is not None,
            )
            found.append((op.name, _layer(self.graph, op, options)))
        return found

    def table_bytes(self, sharing: Mapping[str, str]) -> int:
        return 1 << (self.codebook_bits or 0)


@dataclass(frozen=True)
class _MeasuredWeights:
    """Those of a model, which are encoded."""

    model: "QuantizedModel"
    runtime: bool

    @cached_property
    def _table(self) -> tuple[int, ...]:
        graph = self.model.graph
        return common_values(
            [weight_rows(self.model, op.name) for op in graph.weighted if is_compressible(op)]
        )

    @property
    def can_share(self) -> bool:
        return bool(self._table)

    def layers(self, *, shared: bool) -> Sequence[tuple[str, Layer]]:
        graph = self.model.graph
        found = []
        for op in graph.weighted:
            table = self._table if shared and is_compressible(op) else ()
            options = measured_options(
                weight_rows(self.model, op.name), _readable(op, self.runtime), table
            )
            found.append((op.name, _layer(graph, op, options)))
        return found

    def table_bytes(self, sharing: Mapping[str, str]) -> int:
        return len(shared_table(self.model, sharing))


def shared_table(model: "QuantizedModel", sharing: Mapping[str, str]) -> NDArray[np.int8]:
    """The ascending values of a table that operators share.

    Args:
        model: What they belong to.
        sharing: Their encodings by name.
    """
    return joint_table((kind, weight_rows(model, name)) for name, kind in sharing.items())


def weight_rows(model: "QuantizedModel", name: str) -> NDArray[np.int8]:
    """The weights of an operator as [output channels, weights of each]."""
    held = model.weights[name]
    return held.weights.reshape(len(held.bias), -1)


def _readable(operator: WeightedOperator, runtime: bool) -> tuple[str, ...]:
    return allowed_encodings(operator.kind) if runtime else DENSE_ONLY


def _layer(graph: Graph, operator: WeightedOperator, options: tuple[Option, ...]) -> Layer:
    height, width, outputs = graph.shape(operator.output)
    runs = outputs * operator.kernel[0] if isinstance(operator, Conv2d) else 0
    count = graph.weight_count(operator)
    return Layer(operator.kind, height * width, outputs, runs, count, options)


def has_narrow_channels(
    subject: "Graph | QuantizedModel", operator: Operator, kernels: KernelLibrary
) -> bool:
    """Whether the constants of an operator's channels are narrow, or those of a graph will be."""
    if kernels is not KernelLibrary.RUNTIME or not isinstance(operator, WeightedOperator):
        return False
    if isinstance(subject, Graph):
        return True
    return narrow_channels(subject.weights[operator.name]) is not None
