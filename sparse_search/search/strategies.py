"""Every strategy by the name under which it is asked for.

To add one, write a class of the ``Strategy`` protocol and add one line to ``STRATEGIES``.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from ..forecast import Forecaster
from ..interfaces import Morphism, Objective, Strategy
from ..space import SearchSpace
from ..target import Limits
from .random import RandomStrategy
from .sparse import SparseStrategy


class StrategyFactory(Protocol):
    """Makes a strategy; takes from the arguments what it needs."""

    def __call__(
        self,
        *,
        space: SearchSpace,
        morphisms: Sequence[Morphism],
        forecaster: Forecaster,
        objectives: Sequence[Objective],
        limits: Limits,
    ) -> Strategy:
        """A strategy with its default options."""
        ...


def _random(
    *, space: SearchSpace, forecaster: Forecaster, limits: Limits, **_unused: object
) -> Strategy:
    return RandomStrategy(space, forecaster, limits)


STRATEGIES: Mapping[str, StrategyFactory] = MappingProxyType(
    {"sparse": SparseStrategy, "random": _random}
)
