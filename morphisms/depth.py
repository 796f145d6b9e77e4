"""One convolutional layer more or less in a block.

A layer that is inserted with stride 1, "same" padding and no fewer filters than its input has
channels starts as the identity, so the child computes what its parent computes. Not so at the end
of a block with a second path: there the layer before it gets a ReLU that it did not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, make_layer
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import KINDS, choose, filters_at, insert_item, layers, remove_item, set_block


@dataclass(frozen=True, slots=True)
class InsertLayer:
    """Inserts a layer in a block, with the number of filters of the layer before it.

    The value of a site is "kind:kernel:filters".
    """

    name: str = "insert_layer"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per position, type and kernel, in blocks that have room."""
        places = [
            (b, i, filters_at(architecture, b, i, space))
            for b, block in enumerate(architecture.blocks)
            if len(block.layers) < space.max_layers
            for i in range(len(block.layers) + 1)
        ]
        return [
            Site(b, i, f"{kind}:{kernel}:{filters}")
            for b, i, filters in places
            for kind in space.kinds
            for kernel in space.kernels
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Inserts the layer at index ``site.layer``."""
        kind, kernel, filters = str(site.value).split(":")
        layer = make_layer(choose(KINDS, kind), int(filters), int(kernel), reduction_percent=0)
        block = architecture.blocks[site.block]
        new = replace(block, layers=insert_item(block.layers, site.layer, layer))
        return set_block(architecture, site.block, new)


@dataclass(frozen=True, slots=True)
class RemoveLayer:
    """Removes a layer from a block that has another."""

    name: str = "remove_layer"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer that is not the last of its block."""
        return [
            Site(b, i) for b, i, _ in layers(architecture) if len(architecture.blocks[b].layers) > 1
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Removes the layer at the site."""
        block = architecture.blocks[site.block]
        new = replace(block, layers=remove_item(block.layers, site.layer))
        return set_block(architecture, site.block, new)
