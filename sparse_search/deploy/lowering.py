"""From a quantized model and its memory plan to kernel calls: which kernel, which data, where.

The result is everything that the C source says, as values. Here it is checked that the plan
belongs to the model, and that the constant data takes exactly the flash that the plan predicts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoding import ENCODINGS, encode_as
from ..encoding.encodings import DENSE
from ..errors import ExportError, MemoryPlanError
from ..graph import (
    Add,
    Concat,
    Dense,
    Graph,
    Operator,
    WeightedOperator,
)
from ..integer import ChannelConstants, QuantizedWeights, narrow_channels, wide_channels
from ..integer.checks import accumulator_reach
from ..memory import KernelLibrary, LayerCost, MemoryPlan
from ..memory.fusion import fused_pools
from ..memory.lifetimes import find_lifetimes
from ..memory.overlap import find_leads
from ..memory.storage import shared_table, weight_rows
from ..quantized import QuantizedModel
from . import c_source
from .c_source import C_TYPE_BYTES, unique_identifiers
from .records import Record, make_records
from .weighted_kernels import kernel_name, positions_suffix


@dataclass(frozen=True, slots=True, eq=False)
class ConstArray:
    """A constant array; an empty one is not defined in C but passed as NULL.

    Attributes:
        suffix: Last part of its name.
        c_type: Of its elements.
        values: One-dimensional.
        owner: Identifier of the earlier operator that defines it; None for the one that reads it.
    """

    suffix: str
    c_type: str
    values: NDArray[np.integer[Any]]
    owner: str | None = None

    @property
    def bytes(self) -> int:
        """Bytes of flash that it adds."""
        return 0 if self.owner else self.values.size * C_TYPE_BYTES[self.c_type]


@dataclass(frozen=True, slots=True, eq=False)
class KernelCall:
    """One call of a runtime function.

    Attributes:
        kernel: The runtime function, also the name of its file.
        record: Its parameters.
        record_suffix: Last part of the record's name.
        arrays: Constant arrays in the order of the kernel's arguments, those of the channels last.
        narrow: Whether those of the channels are.
        small_factors: Whether every channel fulfils what ``ss_requantize_small`` asks for; False
            without weights.
        input_offsets: Where its inputs lie in the arena, in bytes.
        output_offset: Where it begins to write in the arena, in bytes.
    """

    kernel: str
    record: Record
    record_suffix: str
    arrays: tuple[ConstArray, ...]
    narrow: bool
    small_factors: bool
    input_offsets: tuple[int, ...]
    output_offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operator as the C code runs it.

    Attributes:
        operator: The operator.
        identifier: Unique part of the names of its constants.
        calls: One; of a concatenation one for each input; none of a pooling that the convolution
            before it does.
        output_offset: Where its output lies in the arena, in bytes.
        output_bytes: Size of the output; 0 where it is pooled at once and does not exist.
        text: What it does, for comments.
    """

    operator: Operator
    identifier: str
    calls: tuple[KernelCall, ...]
    output_offset: int
    output_bytes: int
    text: str

    @property
    def constant_bytes(self) -> int:
        """Flash of records and arrays."""
        arrays = [array for call in self.calls for array in call.arrays]
        return sum(call.record.bytes for call in self.calls) + sum(a.bytes for a in arrays)


def lower(model: QuantizedModel, plan: MemoryPlan) -> tuple[Step, ...]:
    """What the C code of a model does, in execution order.

    Args:
        model: What is computed.
        plan: Of this model, for ``KernelLibrary.RUNTIME``.

    Raises:
        ExportError: The plan is of another model or library, or the runtime cannot hold the model.
    """
    check_plan(model, plan, KernelLibrary.RUNTIME)
    graph = model.graph
    offsets = {a.name: a.offset_bytes for a in plan.allocations}
    names = [op.name for op in graph.operators]
    identifiers = dict(zip(names, unique_identifiers(names), strict=True))
    tables = _tables(model, plan, identifiers)
    pools = fused_pools(graph)
    done_by = {pool.name: name for name, pool in pools.items()}
    steps = []
    for operator, layer in zip(graph.operators, plan.layers, strict=True):
        pool, text = pools.get(operator.name), describe(graph, operator)
        if operator.name in done_by:
            text += f"; {c_source.comment(done_by[operator.name])} does it"
        written = operator.output if pool is None else pool.output
        made = Step(
            operator=operator,
            identifier=identifiers[operator.name],
            calls=_calls(model, operator, layer, offsets, tables.get(operator.name), written),
            output_offset=offsets[written],
            output_bytes=graph.tensor(operator.output).size if pool is None else 0,
            text=text,
        )
        if made.constant_bytes != layer.flash_bytes:
            raise ExportError(
                f"{operator.name}: expected {layer.flash_bytes} bytes of constants as the memory "
                f"plan says, got {made.constant_bytes}; call plan_memory on the model that is "
                "exported"
            )
        steps.append(made)
    return tuple(steps)


def _tables(
    model: QuantizedModel, plan: MemoryPlan, identifiers: Mapping[str, str]
) -> dict[str, ConstArray]:
    """The table of values of every operator that has a codebook, by name."""
    sharing: dict[str, dict[str, str]] = {}
    for layer in plan.layers:
        if layer.codebook_of is not None:
            sharing.setdefault(layer.codebook_of, {})[layer.name] = layer.encoding or DENSE
    tables = {}
    for holder, members in sharing.items():
        values = shared_table(model, members)
        for name in members:
            owner = None if name == holder else identifiers[holder]
            tables[name] = ConstArray("codebook", "int8_t", values, owner)
    return tables


def _calls(
    model: QuantizedModel,
    operator: Operator,
    layer: LayerCost,
    offsets: Mapping[str, int],
    table: ConstArray | None,
    written: str,
) -> tuple[KernelCall, ...]:
    """The calls of one operator.

    Args:
        model: What is computed.
        operator: Of the model.
        layer: As planned.
        offsets: Of tensors, in bytes.
        table: Values of its codebook, if it has one.
        written: The tensor that is written.
    """
    arrays: tuple[ConstArray, ...] = ()
    small, narrow, encoding = False, layer.narrow, layer.encoding or DENSE
    if isinstance(operator, WeightedOperator):
        held = model.weights[operator.name]
        channels = narrow_channels(held) if narrow else wide_channels(held)
        if channels is None:
            raise ExportError(
                f"{operator.name}: expected channels that are narrow as the memory plan says; call "
                "plan_memory on the model that is exported"
            )
        arrays = (*_weight_arrays(model, operator, encoding, table), *_channel_arrays(channels))
        small = _has_small_factors(operator, held)
    records = make_records(model, operator)
    if not records:
        return ()
    kernel = kernel_name(operator.kind, encoding, narrow=narrow, pooled=layer.fused)
    sources = tuple(offsets[tensor] for tensor in operator.inputs)
    target = offsets[written]
    if not isinstance(operator, Concat):
        call = KernelCall(kernel, records[0], "geometry", arrays, narrow, small, sources, target)
        return (call,)
    calls = []
    for number, (name, record) in enumerate(zip(operator.inputs, records, strict=True), start=1):
        suffix = f"geometry{number}"
        calls.append(KernelCall(kernel, record, suffix, (), False, False, (offsets[name],), target))
        target += model.graph.tensor(name).size
    return tuple(calls)


def _has_small_factors(operator: WeightedOperator, held: QuantizedWeights) -> bool:
    """Shifts to the right only, and accumulators that can be doubled."""
    doubled = 2 * accumulator_reach(operator, held)
    return bool((held.shift < 0).all() and (doubled < 2**31).all())


def check_plan(model: QuantizedModel, plan: MemoryPlan, kernels: KernelLibrary) -> None:
    """Refuses a plan that is for other kernels, or of a model with other tensors.

    Raises:
        ExportError: So it is, or a tensor lies outside the arena, or over another that it harms.
    """
    if plan.kernels is not kernels:
        raise ExportError(
            f"expected a plan for {kernels.value!r}, got one for "
            f"{plan.kernels.value!r}; call plan_memory(model)"
        )
    expected = find_lifetimes(model.graph, kernels)
    found = [(a.name, a.kind, a.size_bytes, a.first, a.last) for a in plan.allocations]
    names = [layer.name for layer in plan.layers]
    if found != [(x.name, x.kind, x.size_bytes, x.first, x.last) for x in expected] or names != [
        op.name for op in model.graph.operators
    ]:
        raise ExportError(
            "expected a memory plan of the model that is exported, got one of other tensors; "
            "call plan_memory(model)"
        )
    leads = find_leads(model.graph) if kernels is KernelLibrary.RUNTIME else {}
    for index, output in enumerate(plan.allocations):
        end = output.offset_bytes + output.size_bytes
        if output.offset_bytes < 0 or end > plan.arena_bytes:
            raise ExportError(
                f"expected {output.name} inside the arena of {plan.arena_bytes} bytes"
            )
        for source in plan.allocations[:index]:
            if source.last < output.first or output.last < source.first:
                continue
            lead = leads.get((output.name, source.name), output.size_bytes)
            below = output.offset_bytes + lead <= source.offset_bytes
            if not below and source.offset_bytes + source.size_bytes > output.offset_bytes:
                raise ExportError(
                    f"expected {source.name} and {output.name} apart: both are alive at once"
                )


def _weight_arrays(
    model: QuantizedModel, operator: WeightedOperator, kind: str, table: ConstArray | None
) -> tuple[ConstArray, ...]:
    """The weights of an operator in the encoding called ``kind``."""
    rows = weight_rows(model, operator.name)
    try:
        encoded = encode_as(kind, rows, None if table is None else table.values.astype(np.int8))
    except MemoryPlanError as error:
        raise ExportError(
            f"{operator.name}: {error}; call plan_memory on the model that is exported"
        ) from None
    stored: list[ConstArray] = []
    positions = ENCODINGS[kind].positions
    if positions.name:
        stored.append(ConstArray(positions_suffix(positions), "uint8_t", encoded.positions))
    if table is not None:
        stored += [ConstArray("indices", "uint8_t", encoded.values), table]
    else:
        suffix = "weights" if kind == DENSE else "values"
        stored.append(ConstArray(suffix, "int8_t", encoded.values))
    return tuple(stored)


def _channel_arrays(channels: ChannelConstants) -> tuple[ConstArray, ...]:
    """What is kept for every channel, in the order of the kernels' arguments."""
    return (
        ConstArray("bias", f"{channels.bias.dtype}_t", channels.bias),
        ConstArray("multiplier", "int32_t", channels.multiplier),
        ConstArray("shift", "int8_t", channels.shift),
    )


def describe(graph: Graph, operator: Operator) -> str:
    """Kind and shapes, such as "conv2d 3x3, 8x8x1 -> 6x6x4"."""
    shapes = ["x".join(map(str, graph.shape(name))) for name in (*operator.inputs, operator.output)]
    kernel = "" if isinstance(operator, Add | Concat | Dense) else " {}x{}".format(*operator.kernel)
    return f"{operator.kind}{kernel}, {' + '.join(shapes[:-1])} -> {shapes[-1]}"
