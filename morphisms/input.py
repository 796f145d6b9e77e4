"""Down-sampling of the input in space and colour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sparse_search.architecture import Architecture
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace


@dataclass(frozen=True, slots=True)
class SetInputPool:
    """Sets the factor by which the input is averaged."""

    name: str = "set_input_pool"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per other factor."""
        factors = (f for f in space.input_pools if f != architecture.input.pool)
        return [Site(value=f) for f in factors]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the factor to ``site.value``."""
        return replace(architecture, input=replace(architecture.input, pool=int(site.value)))


@dataclass(frozen=True, slots=True)
class SetColour:
    """Switches between colour and grey input."""

    name: str = "set_colour"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per other colour transform, where the input has colours."""
        others = (c for c in space.colours if c != architecture.input.colour)
        return [Site(value=c) for c in others]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the colour transform to ``site.value``."""
        colour: Literal["keep", "grey"] = "grey" if site.value == "grey" else "keep"
        return replace(architecture, input=replace(architecture.input, colour=colour))
