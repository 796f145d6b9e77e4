"""Every strategy by the name under which it is asked for.

To add one, write a class of the ``Strategy`` protocol and add one line to ``STRATEGIES``.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import TypeAdapter

from ..forecast import Forecaster
from ..interfaces import Morphism, Objective, Strategy
from ..space import SearchSpace
from ..target import Limits
from .ehvi import EhviOptions, EhviStrategy
from .evolution import EvolutionOptions, EvolutionStrategy
from .random import RandomStrategy
from .sparse import SparseOptions, SparseStrategy


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
        options: Any = ...,
    ) -> Strategy:
        """A strategy with its default options, or with those given."""
        ...


def _random(
    *, space: SearchSpace, forecaster: Forecaster, limits: Limits, **_unused: object
) -> Strategy:
    return RandomStrategy(space, forecaster, limits)


STRATEGIES: Mapping[str, StrategyFactory] = MappingProxyType(
    {
        "sparse": SparseStrategy,
        "random": _random,
        "evolution": EvolutionStrategy,
        "ehvi": EhviStrategy,
    }
)

OPTIONS: Mapping[str, type] = MappingProxyType(
    {"sparse": SparseOptions, "evolution": EvolutionOptions, "ehvi": EhviOptions}
)
"""The type of the options of the strategies that have any."""


def stored_options(settings: Mapping[str, Any], strategy: str) -> Any:
    """The options that a study was created with; None if it has none, or another strategy."""
    stored = settings.get("strategy_options")
    if stored is None or strategy not in OPTIONS or settings.get("strategy") != strategy:
        return None
    return TypeAdapter(OPTIONS[strategy]).validate_python(stored)
