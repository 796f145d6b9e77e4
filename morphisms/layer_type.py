"""Another type for one layer, or another reduction in a DownsampledConv2D."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import (
    Architecture,
    DepthwiseConv2D,
    DownsampledConv2D,
    make_layer,
)
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import KINDS, choose, filters_at, layers, set_layer


@dataclass(frozen=True, slots=True)
class SetLayerType:
    """Sets the type of one layer; what both types have stays.

    The value of a site is "kind:filters"; the filters are for what was depthwise and had none.
    """

    name: str = "set_layer_type"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and other type."""
        return [
            Site(b, i, f"{kind}:{filters_at(architecture, b, i, space)}")
            for b, i, layer in layers(architecture)
            for kind in space.kinds
            if kind != layer.kind
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the type to ``site.value``; a new DownsampledConv2D removes half the channels."""
        kind, _, number = str(site.value).partition(":")
        old = architecture.blocks[site.block].layers[site.layer]
        filters = int(number) if isinstance(old, DepthwiseConv2D) else old.filters
        layer = make_layer(choose(KINDS, kind), filters, old.kernel, old.stride, old.padding)
        return set_layer(architecture, site, layer)


@dataclass(frozen=True, slots=True)
class SetReduction:
    """Sets how many channels a DownsampledConv2D removes."""

    name: str = "set_reduction"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per DownsampledConv2D and other reduction."""
        return [
            Site(b, i, percent)
            for b, i, layer in layers(architecture)
            if isinstance(layer, DownsampledConv2D)
            for percent in space.reductions_percent
            if percent != layer.reduction_percent
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the reduction to ``site.value`` per cent."""
        layer = architecture.blocks[site.block].layers[site.layer]
        if not isinstance(layer, DownsampledConv2D):
            return architecture
        return set_layer(architecture, site, replace(layer, reduction_percent=int(site.value)))
