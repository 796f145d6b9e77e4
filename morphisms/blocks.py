"""One block more or less, or another pooling at the end of a block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, Conv2D, ConvBlock, PoolKind
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import insert_item, remove_item, set_block

_POOLS: tuple[PoolKind, ...] = ("none", "max", "average")


@dataclass(frozen=True, slots=True)
class InsertBlock:
    """Inserts a block of one Conv2D, with the number of filters of the layer before it.

    The value of a site is "pool:kernel".
    """

    name: str = "insert_block"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per position, pooling and kernel, where there is room for a block."""
        if len(architecture.blocks) >= space.max_blocks:
            return []
        return [
            Site(b, -1, f"{pool}:{kernel}")
            for b in range(len(architecture.blocks) + 1)
            for pool in space.pools
            for kernel in space.kernels
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Inserts the block at index ``site.block``."""
        wanted, _, kernel = str(site.value).partition(":")
        neighbour = architecture.blocks[max(site.block - 1, 0)]
        pool = next(p for p in _POOLS if p == wanted)
        block = ConvBlock((Conv2D(neighbour.layers[-1].filters, int(kernel)),), pool)
        blocks = insert_item(architecture.blocks, site.block, block)
        return replace(architecture, blocks=blocks)


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
        pool = next(p for p in _POOLS if p == site.value)
        return set_block(architecture, site.block, replace(block, pool=pool))
