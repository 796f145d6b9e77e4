"""The hidden fully connected layers, and how the last feature map reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, HeadKind
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import choose, insert_item, narrower, remove_item, set_item, wider

_HEADS: tuple[HeadKind, ...] = ("flatten", "average", "max")


@dataclass(frozen=True, slots=True)
class InsertHidden:
    """Inserts a hidden layer; behind a narrower or equal one it starts as the identity."""

    name: str = "insert_hidden"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per position and width: its neighbours' widths and the narrowest allowed."""
        if len(architecture.hidden) >= space.max_hidden:
            return []
        widths = sorted({space.hidden_units[0], *architecture.hidden})
        return [
            Site(-1, position, units)
            for position in range(len(architecture.hidden) + 1)
            for units in widths
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Inserts a layer of ``site.value`` units at ``site.layer``."""
        hidden = insert_item(architecture.hidden, site.layer, int(site.value))
        return replace(architecture, hidden=hidden)


@dataclass(frozen=True, slots=True)
class RemoveHidden:
    """Removes a hidden layer."""

    name: str = "remove_hidden"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per hidden layer."""
        return [Site(-1, i) for i in range(len(architecture.hidden))]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Removes the layer at ``site.layer``."""
        return replace(architecture, hidden=remove_item(architecture.hidden, site.layer))


@dataclass(frozen=True, slots=True)
class SetHiddenUnits:
    """Sets the width of one hidden layer."""

    name: str = "set_hidden_units"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per hidden layer and width one step away."""
        low, high = space.hidden_units
        return [
            Site(-1, i, value)
            for i, units in enumerate(architecture.hidden)
            for value in (*narrower(units, low), *wider(units, high))
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the units to ``site.value``."""
        hidden = set_item(architecture.hidden, site.layer, int(site.value))
        return replace(architecture, hidden=hidden)


@dataclass(frozen=True, slots=True)
class SetHead:
    """Sets whether the last feature map is flattened, averaged or maximised over positions."""

    name: str = "set_head"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per other head."""
        return [Site(value=head) for head in space.heads if head != architecture.head]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the head to ``site.value``."""
        return replace(architecture, head=choose(_HEADS, site.value))
