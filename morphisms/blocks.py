"""One block more or less, or another pooling at the end of a block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import POOL_SIDES, Architecture, Branch, ConvBlock, make_layer
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import BRANCHES, KINDS, choose, filters_at, insert_item, remove_item, set_block

_POOLS = tuple(POOL_SIDES)


@dataclass(frozen=True, slots=True)
class InsertBlock:
    """Inserts a block of one layer, with the number of filters of the layer before it.

    It is a Conv2D, or what the space has in its place. The value of a site is
    "kind:filters:kernel:pool:branch".
    """

    name: str = "insert_block"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per position, pooling, kernel and path, where there is room for a block."""
        if len(architecture.blocks) >= space.max_blocks:
            return []
        kind = "conv" if "conv" in space.kinds else space.kinds[0]
        positions = range(len(architecture.blocks) + 1)
        layers = [f"{kind}:{filters_at(architecture, b, 0, space)}" for b in positions]
        return [
            Site(b, -1, f"{layers[b]}:{kernel}:{pool}:{branch}")
            for b in positions
            for pool in space.pools
            for branch in _new_branches(space)
            for kernel in space.kernels
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Inserts the block at index ``site.block``."""
        kind, filters, kernel, pool, branch = str(site.value).split(":")
        layer = make_layer(choose(KINDS, kind), int(filters), int(kernel), reduction_percent=0)
        block = ConvBlock((layer,), choose(_POOLS, pool), choose(BRANCHES, branch))
        blocks = insert_item(architecture.blocks, site.block, block)
        return replace(architecture, blocks=blocks)


def _new_branches(space: SearchSpace) -> tuple[Branch, ...]:
    """None and the simplest one: a block without a branch cannot get one if it is merged."""
    return tuple(b for b in BRANCHES if b in space.branches)[:2]


@dataclass(frozen=True, slots=True)
class RemoveBlock:
    """Removes a block where there is another."""

    name: str = "remove_block"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per block."""
        if len(architecture.blocks) <= 1:
            return []
        return [Site(b) for b in range(len(architecture.blocks))]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Removes the block at the site."""
        return replace(architecture, blocks=remove_item(architecture.blocks, site.block))


@dataclass(frozen=True, slots=True)
class SetPool:
    """Sets the pooling at the end of one block."""

    name: str = "set_pool"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per block and other pooling."""
        return [
            Site(b, -1, pool)
            for b, block in enumerate(architecture.blocks)
            for pool in space.pools
            if pool != block.pool
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the pooling to ``site.value``."""
        block = architecture.blocks[site.block]
        new = replace(block, pool=choose(_POOLS, site.value))
        return set_block(architecture, site.block, new)
