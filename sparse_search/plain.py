"""Plain networks: what a person would write down first, as wide as the limits allow.

Convolutions with ever more filters, mostly of 3x3; maps become smaller by max pooling or by
strides until they are small. A search that begins with some knows from the start what is easily
had; random networks of a few kilobytes are seldom as good, and morphisms must find their way out of
them first.

A convolution that pools its own output sees every position and holds no more than one that steps
over most of them (``memory.fusion``). After 6 epochs on MNIST within 2 KB such networks have 1.4
and 1.6 % validation error, flattened and averaged, and the best with strides 1.6 and 2.4 %; on
CIFAR-10 within 16 and 12 KB 30 and 32 %, with strides 36 %. Networks of two layers promise more by
their ``capacity``; on MNIST they were as good where flattened and worse where averaged, on CIFAR-10
worse.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from .architecture import (
    POOL_SIDES,
    Architecture,
    Conv2D,
    ConvBlock,
    HeadKind,
    InputTransform,
    PoolKind,
)
from .candidate import Candidate
from .search.features import capacity

if TYPE_CHECKING:
    from .forecast import Forecaster
    from .space import SearchSpace
    from .target import Limits

_HEADS: tuple[HeadKind, ...] = ("average", "flatten")
# Fractions of the limit of the size.
_SIZES = (1.0, 0.5)
# Filters of the first layer.
_LARGEST_BASE = 16


@dataclass(frozen=True, slots=True)
class _Form:
    """All of a network but its width.

    Attributes:
        input_pool: Average pooling of the input.
        reduction: The first pooling, later ones are over 2x2; "none" for strides of 2.
        kernel: Of the first layer.
        large_side: Side of a map from which on a layer makes it smaller.
        layers: Convolutions.
        growth: Filters of a layer as a multiple of those of the one before.
    """

    input_pool: int
    reduction: PoolKind
    kernel: int
    large_side: int
    layers: int
    growth: float

    @staticmethod
    def all_for(space: "SearchSpace") -> Iterator["_Form"]:
        """Those that are tried; where maps are pooled the input need not be."""
        reductions: list[tuple[int, PoolKind]] = [(pool, "none") for pool in space.input_pools[:2]]
        reductions += [(1, "max"), (1, "max3"), (1, "max4")]
        forms = product(reductions, (3, 5), (8, 5), (3, 4, 5), (1.0, 1.5, 2.0))
        for (pool, reduction), kernel, large_side, layers, growth in forms:
            yield _Form(pool, reduction, kernel, large_side, layers, growth)

    def network(self, space: "SearchSpace", base: int, head: HeadKind) -> Architecture:
        """With ``base`` filters in the first layer; may have parts that the space has not."""
        side = min(space.input_shape[:2]) // self.input_pool
        blocks: list[ConvBlock] = []
        layers: list[Conv2D] = []
        reduction = self.reduction
        for index in range(self.layers):
            large = side >= self.large_side
            stride = 2 if large and reduction == "none" else 1
            kernel = self.kernel if index == 0 else 3
            layers.append(Conv2D(round(base * self.growth**index), kernel, stride))
            side = -(-side // stride)
            if large and reduction != "none":
                blocks.append(ConvBlock(tuple(layers), reduction))
                layers = []
                side //= POOL_SIDES[reduction]
                reduction = "max"
            elif len(layers) == space.max_layers or index == self.layers - 1:
                blocks.append(ConvBlock(tuple(layers)))
                layers = []
        return Architecture(tuple(blocks), head=head, input=InputTransform(self.input_pool))


def plain_networks(forecaster: "Forecaster", limits: "Limits") -> tuple[Architecture, ...]:
    """For both heads, the most capable network within the limits, and within half of the size.

    Args:
        forecaster: Of the space and the kernels.
        limits: What the networks keep. Where the size has no limit, they have few filters.

    Returns:
        Canonical members of the space; none where it has nothing of the kind or nothing fits.
    """
    bounds = [limits]
    if limits.model_bytes is not None:
        bounds = [
            replace(limits, model_bytes=max(1, round(s * limits.model_bytes))) for s in _SIZES
        ]
    best = [[_most_capable(forecaster, bound, head) for head in _HEADS] for bound in bounds]
    found = (network for networks in best for network in networks if network is not None)
    return tuple(dict.fromkeys(found))


def _most_capable(
    forecaster: "Forecaster", limits: "Limits", head: HeadKind
) -> Architecture | None:
    fitting = [
        (capacity(forecaster.plan(candidate)), number, candidate.architecture)
        for number, candidate in enumerate(_widest(forecaster, limits, head))
    ]
    return max(fitting)[2] if fitting else None


def _widest(forecaster: "Forecaster", limits: "Limits", head: HeadKind) -> Iterator[Candidate]:
    """Of each form, the network with the most filters that keeps the limits."""
    space = forecaster.space
    for form in _Form.all_for(space):
        widest = None
        for base in range(1, _LARGEST_BASE + 1):
            network = space.canonical_member(form.network(space, base, head))
            if network is None:
                continue
            if forecaster.violations(Candidate(0, network), limits):
                break
            widest = Candidate(0, network)
        if widest is not None:
            yield widest
