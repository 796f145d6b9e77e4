"""The encodings that can hold a layer's weights, and the choice among them for a whole model.

A model that counts code wants the least sum of weights and code. With L layers of one kind of
operator and kernels k, each with c_k bytes of code, and b_lk bytes of layer l under k:

    minimise over k(1) .. k(L):    sum_l b_{l k(l)}  +  sum of c_k over the kernels in use

Solved exactly by dynamic programming over sets of layers, one kernel after the other: f(S) is the
least sum for the layers S with the kernels seen so far, and either kernel k is not used, or it is
paid once and takes layers out of S one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import MemoryPlanError
from .costs import kernel_code_bytes, kernel_cost
from .encodings import ALL_ENCODINGS, DENSE, ENCODINGS
from .policy import EncodingPolicy

JOINT_LAYERS = 16
"""Layers of one kind that are chosen together; of more, the largest are, then one by one."""


@dataclass(frozen=True, slots=True)
class Option:
    """A layer's weights in one encoding.

    Attributes:
        encoding: Its name.
        bytes: In flash.
        stored: Weights that are stored.
        shares: Whether its table of values is shared by layers, and not counted in ``bytes``.
    """

    encoding: str
    bytes: int
    stored: int
    shares: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose encoding is to be chosen.

    Attributes:
        kind: Of the operator, such as "conv2d".
        places: At which its weights are applied: height * width of the output.
        outputs: Output channels.
        runs: Runs of weights that are applied at a place: outputs * height of the kernel for a
            convolution, else 0.
        weights: Number of weights, zeros included.
        options: At least dense.
    """

    kind: str
    places: int
    outputs: int
    runs: int
    weights: int
    options: tuple[Option, ...]

    @property
    def dense(self) -> Option:
        """Every weight, one byte each."""
        return Option(DENSE, self.weights, self.weights)

    def instructions(self, option: Option) -> float:
        """Estimated instructions of one inference on a Cortex-M4, for "conv2d" and "dense"."""
        cost = kernel_cost(self.kind, option.encoding)
        return self.places * (
            cost.stored * option.stored
            + cost.skipped * (self.weights - option.stored)
            + cost.output * self.outputs
            + cost.run * self.runs
        )

    def slowdown(self, option: Option) -> float:
        """Estimated instructions as a multiple of those of the dense kernel."""
        if option.encoding == DENSE:
            return 1.0
        return self.instructions(option) / self.instructions(self.dense)


def check_weights(weights: NDArray[np.int8]) -> None:
    """Raises MemoryPlanError where ``weights`` are not int8 [rows, columns]."""
    if weights.dtype != np.int8 or weights.ndim != 2:
        raise MemoryPlanError(
            f"expected int8 weights [rows, columns], got {weights.dtype} {weights.shape}; "
            "reshape convolutions to [out_channels, -1]"
        )


def measured_options(
    weights: NDArray[np.int8],
    allowed: Sequence[str] = ALL_ENCODINGS,
    table: Sequence[int] = (),
) -> tuple[Option, ...]:
    """Every allowed encoding that can hold ``weights``, int8 [rows, columns], with its bytes.

    Args:
        weights: Of a layer.
        allowed: Encodings to choose from.
        table: Values that layers share; used where it has all values of this one.

    Raises:
        MemoryPlanError: Not a two-dimensional int8 array.
    """
    check_weights(weights)
    nonzero = weights != 0
    shares = bool(table) and set(np.unique(weights).tolist()) <= set(table)
    seen: dict[str, tuple[int, int, int] | None] = {}
    options: list[Option] = []
    for name in allowed:
        encoding = ENCODINGS[name]
        positions = encoding.positions
        if positions.name not in seen:
            data = positions.encode(nonzero)
            stored = weights[positions.stored(nonzero)]
            seen[positions.name] = (
                None if data is None else (data.size, stored.size, len(np.unique(stored)))
            )
        found = seen[positions.name]
        if found is not None:
            distinct = len(table) if shares and encoding.values.has_table else found[2]
            options += _option(name, *found[:2], distinct, shares=shares)
    return tuple(options)


def _option(
    name: str, position_bytes: int, stored: int, distinct: int, *, shares: bool
) -> list[Option]:
    """The option of an encoding by name; none where it cannot hold so many different values."""
    values = ENCODINGS[name].values
    shares = shares and values.has_table
    size = values.byte_count(stored, distinct)
    if size is None:
        return []
    return [Option(name, position_bytes + size - (distinct if shares else 0), stored, shares)]


@lru_cache(maxsize=20_000)
def predicted_options(
    count: int,
    nonzeros: int,
    allowed: tuple[str, ...] = ALL_ENCODINGS,
    codebook_bits: int | None = None,
    *,
    shares: bool = False,
) -> tuple[Option, ...]:
    """Encodings that can hold a layer of known counts, with the most bytes that they may need.

    Lists and columns are not among them: what they need depends on where the nonzeros are.

    Args:
        count: Number of weights.
        nonzeros: Number of weights that are not zero.
        allowed: Encodings to choose from.
        codebook_bits: The weights take at most 2^bits different values, zero included; None if
            they may take any.
        shares: These are the values of other layers, too, and their table is not counted.

    Raises:
        MemoryPlanError: Not 0 <= nonzeros <= count.
    """
    if not 0 <= nonzeros <= count:
        raise MemoryPlanError(f"expected 0 <= nonzeros <= {count} weights, got {nonzeros}")
    values = 255 if codebook_bits is None else min(1 << codebook_bits, 255)
    options: list[Option] = []
    for name in allowed:
        encoding = ENCODINGS[name]
        bound = encoding.positions.bound(count, nonzeros)
        if bound is not None:
            distinct = values if shares else min(values, bound[1])
            options += _option(name, *bound, distinct, shares=shares)
    return tuple(options)


def choose(layers: Sequence[Layer], policy: EncodingPolicy) -> tuple[Option, ...]:
    """One option for each layer, under the policy; of equal ones the first in its order.

    A layer for which the policy leaves no option is dense.
    """
    usable = [_usable(layer, policy) for layer in layers]
    if not policy.count_code:
        return tuple(min(options, key=lambda o: o.bytes) for options in usable)
    chosen: list[Option | None] = [None] * len(layers)
    for kind in dict.fromkeys(layer.kind for layer in layers):
        members = [i for i, layer in enumerate(layers) if layer.kind == kind]
        # The largest layers decide which kernels there are.
        members.sort(key=lambda i: -layers[i].weights)
        first, rest = members[:JOINT_LAYERS], members[JOINT_LAYERS:]
        joint = _least_with_code(kind, [usable[i] for i in first])
        chosen_names = {option.encoding for option in joint}
        for i, option in zip(first, joint, strict=True):
            chosen[i] = option
        for i in rest:
            best = min(
                usable[i],
                key=lambda o: (
                    o.bytes
                    + (0 if o.encoding in chosen_names else kernel_code_bytes(kind, o.encoding))
                ),
            )
            chosen_names.add(best.encoding)
            chosen[i] = best
    return tuple(option for option in chosen if option is not None)


def code_bytes(layers: Sequence[Layer], options: Sequence[Option]) -> int:
    """Machine code of the kernels that read the layers so, one of each."""
    used = {(x.kind, option.encoding) for x, option in zip(layers, options, strict=True)}
    return sum(kernel_code_bytes(*kernel) for kernel in used)


def _usable(layer: Layer, policy: EncodingPolicy) -> tuple[Option, ...]:
    """The layer's options that the policy allows; dense where there is none."""
    cap = policy.max_mac_cost
    if cap is None and policy.allowed == ALL_ENCODINGS:
        return layer.options or (layer.dense,)
    options = tuple(
        option
        for option in layer.options
        if option.encoding in policy.allowed and (cap is None or layer.slowdown(option) <= cap)
    )
    return options or (layer.dense,)


def _least_with_code(kind: str, layers: Sequence[tuple[Option, ...]]) -> list[Option]:
    """The options with the least sum of their bytes and the code of the kernels in use.

    Args:
        kind: Of the operators.
        layers: For each of L layers its options.
    """
    order = {name: i for i, name in enumerate(ALL_ENCODINGS)}
    kernels = sorted({o.encoding for options in layers for o in options}, key=order.__getitem__)
    by_name = [{o.encoding: o for o in options} for options in layers]
    sets = np.arange(1 << len(layers))
    least = np.full(len(sets), np.inf)
    least[0] = 0.0
    taken: list[NDArray[np.bool_]] = []
    for kernel in kernels:
        # with_kernel[S]: least for S if the kernel is paid for; taken[kernel][l][S]: it takes l.
        with_kernel = least + kernel_code_bytes(kind, kernel)
        takes = np.zeros((len(layers) + 1, len(sets)), np.bool_)
        for i, options in enumerate(by_name):
            if kernel in options:
                has = (sets >> i & 1).astype(np.bool_)
                other = np.where(has, with_kernel[sets & ~(1 << i)] + options[kernel].bytes, np.inf)
                takes[i] = other < with_kernel
                with_kernel = np.where(takes[i], other, with_kernel)
        takes[-1] = with_kernel < least
        least = np.where(takes[-1], with_kernel, least)
        taken.append(takes)
    chosen: list[Option | None] = [None] * len(layers)
    left = len(sets) - 1
    for kernel, takes in zip(reversed(kernels), reversed(taken), strict=True):
        if takes[-1, left]:
            for i in reversed(range(len(layers))):
                if takes[i, left]:
                    chosen[i] = by_name[i][kernel]
                    left &= ~(1 << i)
    return [option for option in chosen if option is not None]
