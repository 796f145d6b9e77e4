"""LayerCost: what one operator costs in flash, work and activations.

Flash of a weighted operator:
    weights      as encoded (``storage``); a table of values that layers share is of the first one
    bias         int32 per output channel; int16 where channels are narrow (``integer.channels``)
    requantize   per output channel an int32 multiplier and a shift: int8 in the exported C,
                 int32 in CMSIS-NN; where channels are narrow one multiplier for all
    table        one fixed-size parameter record per operator, as the exported C declares it; a
                 concatenation has one for each input. Where a convolution does the pooling after
                 it (``fusion``), the pooling has none, and those of all convolutions of the model
                 say how they pool, since they share a kernel

CMSIS-NN reads only dense weights, so under its kernels pruning a weight frees no flash. Its
parameter structs are filled from the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ..graph import Concat, Conv2d, Graph, MaxPool2d, Operator, WeightedOperator
from ..integer.channels import narrow_bytes
from .kernels import KernelLibrary
from .storage import StoredWeights

TABLE_BYTES = {
    "conv2d": 22,
    "depthwise_conv2d": 22,
    "dense": 12,
    "max_pool2d": 16,
    "avg_pool2d": 16,
    "add": 24,
    "concat": 12,
}
"""Size of a C parameter record by kind of operator; it holds no pointer, so is fixed."""

_POOLED_BYTES = 2
"""More of a convolution whose kernel pools."""


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Costs of one operator; figures of weights are 0 where it has none.

    Attributes:
        name: Of the operator.
        kind: Of the operator, such as "conv2d".
        macs: Multiply-accumulates of one inference.
        weights: Number of weights, zeros included, biases not.
        biases: Number of biases.
        nonzeros: Number of nonzero weights, biases not included.
        encoding: Name of the encoding of the weights; None without weights.
        codebook_of: The operator whose table of values they use, itself or an earlier one; None
            without a codebook.
        narrow: Whether the constants of its channels are narrow.
        fused: Of a convolution, whether its kernel is one that pools; of a pooling, whether the
            convolution before it does it.
        weight_bytes: Flash of the encoded weights, with the table of values if it is its own.
        bias_bytes: Flash of the biases.
        requantize_bytes: Flash of multipliers and shifts.
        table_bytes: Flash of the parameter records.
        input_bytes: Activations read, each tensor once, unaligned.
        output_bytes: Activations written, unaligned; both are 0 of a pooling that a convolution
            does, whose own output is then the pooled map.
    """

    name: str
    kind: str
    macs: int
    weights: int
    biases: int
    nonzeros: int
    encoding: str | None
    codebook_of: str | None
    narrow: bool
    fused: bool
    weight_bytes: int
    bias_bytes: int
    requantize_bytes: int
    table_bytes: int
    input_bytes: int
    output_bytes: int

    @property
    def flash_bytes(self) -> int:
        """Everything the operator keeps in flash."""
        return self.weight_bytes + self.bias_bytes + self.requantize_bytes + self.table_bytes

    @property
    def stored_numbers(self) -> int:
        """Nonzero weights and all biases, counted as numbers."""
        return self.nonzeros + self.biases

    @property
    def int8_dense_bytes(self) -> int:
        """Every weight at 1 B and every bias at 4 B, pruned or not."""
        return self.weights + 4 * self.biases


def layer_cost(
    graph: Graph,
    operator: Operator,
    nonzeros: int,
    stored: StoredWeights | None,
    kernels: KernelLibrary,
    *,
    narrow: bool,
    pools: Mapping[str, MaxPool2d],
) -> LayerCost:
    """The costs of ``operator``, of whose weights ``nonzeros`` are not zero.

    Args:
        graph: What the operator belongs to.
        operator: Whose costs.
        nonzeros: Of its weights.
        stored: How its weights are stored; None without weights.
        kernels: Whose kernels run the model.
        narrow: Whether the constants of its channels are narrow, if it has any.
        pools: Poolings that convolutions of the graph do, by name of the convolution.
    """
    weights = biases = macs = bias_bytes = requantize_bytes = 0
    output_shape = graph.shape(operator.output)
    table_bytes = TABLE_BYTES[operator.kind]
    if isinstance(operator, Concat):
        table_bytes *= len(operator.inputs)
    read = sum(graph.tensor(name).size for name in set(operator.inputs))
    written = prod(output_shape)
    fused = bool(pools) if isinstance(operator, Conv2d) else operator in pools.values()
    if fused and isinstance(operator, Conv2d):
        table_bytes += _POOLED_BYTES
        pool = pools.get(operator.name)
        written = written if pool is None else graph.tensor(pool.output).size
    elif fused:
        table_bytes = read = written = 0
    if isinstance(operator, WeightedOperator):
        weights = graph.weight_count(operator)
        biases = output_shape[2]
        # Every weight is used once per position of the output; a vector has one position.
        macs = weights * output_shape[0] * output_shape[1]
        shift_bytes = 1 if kernels is KernelLibrary.RUNTIME else 4
        bias_bytes, requantize_bytes = 4 * biases, (4 + shift_bytes) * biases
        if narrow:
            bias_bytes, requantize_bytes = narrow_bytes(biases)
    return LayerCost(
        name=operator.name,
        kind=operator.kind,
        macs=macs,
        weights=weights,
        biases=biases,
        nonzeros=nonzeros,
        encoding=None if stored is None else stored.encoding,
        codebook_of=None if stored is None else stored.codebook_of,
        narrow=narrow and biases > 0,
        fused=fused,
        weight_bytes=0 if stored is None else stored.bytes,
        bias_bytes=bias_bytes,
        requantize_bytes=requantize_bytes,
        table_bytes=table_bytes,
        input_bytes=read,
        output_bytes=written,
    )
