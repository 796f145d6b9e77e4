"""More or fewer filters in one layer.

Widening keeps the function: ``inherit`` copies channels and splits what reads them. Narrowing
keeps the most important channels. Depthwise layers have the width of what they read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, DepthwiseConv2D
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import narrower, set_layer, wide_layers, wider

_REACH = 2
"""How many places up or down a list of widths a step goes at most."""


def _set_filters(architecture: Architecture, site: Site) -> Architecture:
    layer = architecture.blocks[site.block].layers[site.layer]
    if isinstance(layer, DepthwiseConv2D):
        return architecture
    return set_layer(architecture, site, replace(layer, filters=int(site.value)))


@dataclass(frozen=True, slots=True)
class Widen:
    """Gives one layer more filters."""

    name: str = "widen"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and reachable number of filters."""
        return [
            Site(b, i, filters)
            for b, i, layer in wide_layers(architecture)
            for filters in (
                [w for w in space.widths if w > layer.filters][:_REACH]
                if space.widths
                else wider(layer.filters, space.max_filters)
            )
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the filters of the layer to ``site.value``."""
        return _set_filters(architecture, site)


@dataclass(frozen=True, slots=True)
class Narrow:
    """Takes filters from one layer."""

    name: str = "narrow"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and reachable number of filters."""
        return [
            Site(b, i, filters)
            for b, i, layer in wide_layers(architecture)
            for filters in (
                [w for w in space.widths if w < layer.filters][-_REACH:]
                if space.widths
                else narrower(layer.filters, 1)
            )
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the filters of the layer to ``site.value``."""
        return _set_filters(architecture, site)
