"""MemoryPlan: where everything lies in RAM, and what is kept in flash.

The same plan serves prediction (a graph and a sparsity), validation and export (a quantized
model), so the search cannot promise what the exporter does not deliver.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..encoding import EncodingPolicy, kernel_code_bytes
from ..graph import Graph
from .buffers import Buffer, Buffers
from .cmsis_nn import round_up
from .costs import LayerCost, layer_cost
from .fusion import fused_pools
from .kernels import ALIGNMENT_BYTES, KernelLibrary
from .lifetimes import BufferKind, find_lifetimes
from .offsets import DEFAULT_MAX_NODES, place
from .order import in_best_order
from .overlap import find_leads
from .storage import has_narrow_channels, nonzero_weights, stored_weights

if TYPE_CHECKING:
    from ..quantized import QuantizedModel


@dataclass(frozen=True, slots=True)
class Allocation:
    """A buffer in the arena.

    Attributes:
        name: Of the tensor, or "<operator>:scratch".
        kind: "tensor" or "scratch".
        offset_bytes: From the start of the arena; a multiple of the alignment.
        size_bytes: Exact, before alignment.
        first: Index of the first operator that needs it.
        last: Index of the last one, inclusive.
    """

    name: str
    kind: BufferKind
    offset_bytes: int
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The operator that needs most bytes.

    Attributes:
        operator: Its name; the first one of several.
        live_bytes: The fewest aligned bytes of all that exists then.
        shared_bytes: By which these are fewer than the sum, since the output may lie over an input.
        buffers: (name, exact bytes) of all that exists then, scratch included.
    """

    operator: str
    live_bytes: int
    shared_bytes: int
    buffers: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """What exists then, such as "input 784 B + conv1 784 B, of which 752 B overlap"."""
        live = " + ".join(f"{name} {size:,} B" for name, size in self.buffers)
        return f"{live}, of which {self.shared_bytes:,} B overlap" if self.shared_bytes else live


@dataclass(frozen=True)
class MemoryPlan:
    """RAM and flash of one model under one kernel library.

    Attributes:
        kernels: Whose kernels run the model.
        alignment_bytes: Of every offset.
        allocations: The input first, then the output of each operator in order, but for maps that
            a convolution pools at once (``fusion``), then scratch memory.
        arena_bytes: Exact RAM of input, live tensors and scratch, aligned.
        step_bytes: The fewest aligned bytes that must exist while each operator runs, an output
            lying over its own input as far as it may.
        optimal: Whether ``arena_bytes`` is proved to be the smallest for this operator order.
        layers: One per operator, in execution order.
        policy: By which the encodings of the weights were chosen.
    """

    kernels: KernelLibrary
    alignment_bytes: int
    allocations: tuple[Allocation, ...]
    arena_bytes: int
    step_bytes: tuple[int, ...]
    optimal: bool
    layers: tuple[LayerCost, ...]
    policy: EncodingPolicy

    @property
    def flash_bytes(self) -> int:
        """Encoded weights, biases, multipliers, shifts and parameter records."""
        return sum(layer.flash_bytes for layer in self.layers)

    @property
    def weight_code_bytes(self) -> int:
        """Estimated machine code of the runtime's kernels that read weights, on a Cortex-M4.

        Not part of ``flash_bytes``; 0 under other kernels.
        """
        if self.kernels is not KernelLibrary.RUNTIME:
            return 0
        used = {(layer.kind, layer.encoding) for layer in self.layers}
        return sum(kernel_code_bytes(kind, name) for kind, name in used if name is not None)

    @property
    def nonzeros(self) -> int:
        """Nonzero weights and all biases, counted as numbers: SpArSe's model size (1 B each)."""
        return sum(layer.stored_numbers for layer in self.layers)

    @property
    def int8_dense_bytes(self) -> int:
        """Every weight at 1 B and every bias at 4 B, pruned or not."""
        return sum(layer.int8_dense_bytes for layer in self.layers)

    @property
    def in_weights_bytes(self) -> int:
        """SpArSe: the largest |inputs| + |weights| of a weighted operator.

        Nonzero weights and all biases count 1 B each; 0 without weighted operators.
        """
        return max((x.input_bytes + x.stored_numbers for x in self.layers if x.weights), default=0)

    @property
    def in_out_bytes(self) -> int:
        """SpArSe: the largest |inputs| + |output| of an operator, unaligned."""
        return max(x.input_bytes + x.output_bytes for x in self.layers)

    @property
    def live_no_input_bytes(self) -> int:
        """μNAS: the most bytes of tensors alive at one time, the network's input not counted.

        Unaligned and without scratch memory.
        """
        tensors = [
            Buffer(a.size_bytes, a.first, a.last)
            for a in self.allocations[1:]
            if a.kind == "tensor"
        ]
        return max(Buffers(tensors, {}).step_bytes())

    @property
    def persistent_bytes(self) -> int:
        """RAM beside the arena that lasts between inferences.

        TFLM computes the multiplier and shift of every output channel at start-up and keeps them,
        int32 each; the exported C reads its own from flash.
        """
        if self.kernels is KernelLibrary.RUNTIME:
            return 0
        return sum(layer.requantize_bytes for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights, zeros included, and biases."""
        return sum(layer.weights + layer.biases for layer in self.layers)

    @property
    def lower_bound_bytes(self) -> int:
        """No arena is smaller for this operator order."""
        return max(self.step_bytes)

    @property
    def peak(self) -> Peak:
        """Where the lower bound of the arena comes from."""
        step = self.step_bytes.index(self.lower_bound_bytes)
        buffers = tuple(
            (a.name, a.size_bytes) for a in self.allocations if a.first <= step <= a.last
        )
        total = sum(round_up(size, self.alignment_bytes) for _, size in buffers)
        shared = total - self.lower_bound_bytes
        return Peak(self.layers[step].name, self.lower_bound_bytes, shared, buffers)

    def to_dict(self) -> dict[str, Any]:
        """Everything about the plan, as values that JSON can hold."""
        return asdict(self) | {
            "kernels": self.kernels.value,
            "lower_bound_bytes": self.lower_bound_bytes,
            "flash_bytes": self.flash_bytes,
            "weight_code_bytes": self.weight_code_bytes,
            "nonzeros": self.nonzeros,
            "int8_dense_bytes": self.int8_dense_bytes,
            "in_weights_bytes": self.in_weights_bytes,
            "in_out_bytes": self.in_out_bytes,
            "live_no_input_bytes": self.live_no_input_bytes,
            "macs": self.macs,
            "parameters": self.parameters,
            "peak": asdict(self.peak),
        }


def plan_memory(
    subject: "Graph | QuantizedModel",
    kernels: KernelLibrary = KernelLibrary.RUNTIME,
    sparsity: float | Mapping[str, float] = 0.0,
    *,
    codebook_bits: int | None = None,
    policy: EncodingPolicy | None = None,
    max_nodes: int = DEFAULT_MAX_NODES,
) -> MemoryPlan:
    """Plans the RAM and flash of a graph or a quantized model, in its best operator order.

    Quantized models already are in that order (``in_best_order``), since theirs is executed.

    The weights of a model are encoded, so their bytes are exact. Those of a graph are the most that
    as many nonzeros can take, wherever they are; what depends on that is not predicted. Channels of
    a graph are narrow, as ``levels`` makes them.

    Args:
        subject: A graph, whose nonzeros are predicted from ``sparsity``, or a quantized model,
            whose nonzeros are counted.
        kernels: Whose kernels run the model.
        sparsity: Fraction of each layer's weights that will be zero, in [0, 1]: one for all, or
            by operator name, 0 where there is none. Biases and the conversion of colour to grey
            are never pruned. 0 for a quantized model.
        codebook_bits: Weights of all layers will take at most 2^bits different values, zero
            included, but for depthwise layers and the conversion to grey. None if they may take
            any, and for a quantized model.
        policy: How the encodings are chosen; None for the fewest bytes of each layer.
        max_nodes: Effort of the exact placement of tensors; a chain of operators needs none.

    Raises:
        MemoryPlanError: ``sparsity`` or ``codebook_bits`` is impossible, or the graph has no
            operator.
    """
    graph = subject
    if isinstance(graph, Graph):
        graph = subject = in_best_order(graph)
    else:
        graph = graph.graph
    policy = policy or EncodingPolicy()
    nonzeros = nonzero_weights(subject, sparsity)
    stored = stored_weights(subject, nonzeros, kernels, codebook_bits, policy)
    lifetimes = find_lifetimes(graph, kernels)
    leads = find_leads(graph) if kernels is KernelLibrary.RUNTIME else {}
    pools = fused_pools(graph) if kernels is KernelLibrary.RUNTIME else {}
    placement = place(lifetimes, ALIGNMENT_BYTES, max_nodes, leads)
    return MemoryPlan(
        kernels=kernels,
        alignment_bytes=ALIGNMENT_BYTES,
        allocations=tuple(
            Allocation(x.name, x.kind, offset, x.size_bytes, x.first, x.last)
            for x, offset in zip(lifetimes, placement.offsets_bytes, strict=True)
        ),
        arena_bytes=placement.arena_bytes,
        step_bytes=placement.step_bytes,
        optimal=placement.optimal,
        layers=tuple(
            layer_cost(
                *(graph, op, nonzeros.get(op.name, 0), stored.get(op.name), kernels),
                narrow=policy.narrow_channels and has_narrow_channels(subject, op, kernels),
                pools=pools,
            )
            for op in graph.operators
        ),
        policy=policy,
    )


def all_plans(
    subject: "Graph | QuantizedModel",
    sparsity: float = 0.0,
    policy: EncodingPolicy | None = None,
) -> dict[KernelLibrary, MemoryPlan]:
    """One plan for each kernel library."""
    return {
        kernels: plan_memory(subject, kernels, sparsity, policy=policy) for kernels in KernelLibrary
    }
