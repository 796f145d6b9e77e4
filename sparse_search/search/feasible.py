"""Sieve: lets candidates through that are new and keep the limits, and repairs what is too large.

Nothing here trains: plans are predicted, so a candidate that cannot fit costs less than a
millisecond.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from ..architecture import Architecture, ConvLayer, DepthwiseConv2D
from ..candidate import Candidate
from ..errors import InfeasibleError
from ..forecast import Forecaster
from ..memory import MemoryPlan
from ..space import SearchSpace
from ..sparsity import keep_targets
from ..target import MEMORY_FIGURES, Limits

REPAIR = "shrink"
"""Stands in a candidate's lineage where all its layers were narrowed to keep the limits."""

_MEMORY = frozenset(MEMORY_FIGURES.values())
"""The limited figure that grows with the widths and not with their squares."""

_REPAIR_ATTEMPTS = 6
_SHRINK_FACTORS = (0.3, 0.95)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A candidate that may be proposed, and its predicted plan."""

    candidate: Candidate
    plan: MemoryPlan


class Sieve:
    """What one proposal has looked at; never admits the same network and pruning twice."""

    def __init__(
        self, forecaster: Forecaster, limits: Limits, known: Iterable[Candidate] = ()
    ) -> None:
        """Makes a sieve.

        Args:
            forecaster: Predicts plans.
            limits: What a candidate must keep.
            known: Candidates that are not to be proposed again.
        """
        self._forecaster = forecaster
        self._limits = limits
        self._bounds = limits.by_figure
        self._known = {candidate.key for candidate in known}
        self._broken: Counter[str] = Counter()
        self.admitted = 0
        self.repaired = 0
        self.dropped = 0
        self.duplicates = 0

    def admit(self, candidate: Candidate, *, repair: bool = True) -> Forecast | None:
        """The candidate with its plan; None if it is no use.

        Args:
            candidate: Canonical.
            repair: Whether a candidate that breaks a limit is narrowed and not dropped.
        """
        plan = self._forecaster.plan(candidate)
        excess = self._excess(plan)
        self._broken.update(excess.keys())
        narrowed = False
        for _ in range(_REPAIR_ATTEMPTS if repair else 0):
            if not excess:
                break
            smaller = narrow_all(candidate.architecture, self._space, _factor(excess))
            if smaller == candidate.architecture:
                break
            pruning = candidate.pruning
            if any(step.layers for step in pruning):
                pruning = keep_targets(pruning, self._space.build(smaller))
            candidate = replace(candidate, architecture=smaller, pruning=pruning)
            narrowed = True
            plan = self._forecaster.plan(candidate)
            excess = self._excess(plan)
        if excess:
            self.dropped += 1
            return None
        count = len(self._known)
        self._known.add(candidate.key)
        if len(self._known) == count:
            self.duplicates += 1
            return None
        self.admitted += 1
        self.repaired += narrowed
        if narrowed and candidate.origin == "morph":
            candidate = replace(candidate, morphisms=(*candidate.morphisms, REPAIR))
        return Forecast(candidate, plan)

    def report(self) -> str:
        """How many candidates were looked at, and what became of them."""
        return (
            f"{self.admitted} feasible candidates ({self.repaired} of them repaired), "
            f"{self.dropped} infeasible ones and {self.duplicates} known ones dropped"
        )

    def error(self) -> InfeasibleError:
        """Why nothing was admitted: the tightest limit, and what the smallest network needs."""
        smallest = self._space.smallest()
        plan = self._forecaster.plan(Candidate(0, smallest))
        bounds = ", ".join(f"{name} <= {bound}" for name, bound in self._bounds.items()) or "none"
        figures = ", ".join(
            f"{name} {getattr(plan, name)}"
            for name in {"flash_bytes": 0, "arena_bytes": 0} | self._bounds
        )
        facts = f"Limits: {bounds}. Smallest network of the space: {figures}."
        excess = self._excess(plan)
        if excess:
            tightest = max(excess, key=lambda name: excess[name])
            violations = "; ".join(self._limits.check(plan))
            return InfeasibleError(
                f"even the smallest network of the space breaks the limit of {tightest}: "
                f"{violations}. {facts} Raise the limit, use smaller images or widen "
                "the space"
            )
        if self._broken:
            tightest, times = self._broken.most_common(1)[0]
            return InfeasibleError(
                f"no new candidate keeps the limits; the tightest is {tightest}, which {times} "
                f"candidates broke ({self.report()}). {facts} Raise the limit or widen the space"
            )
        return InfeasibleError(
            f"no new candidate is left ({self.report()}). {facts} Widen the space"
        )

    @property
    def _space(self) -> SearchSpace:
        return self._forecaster.space

    def _excess(self, plan: MemoryPlan) -> dict[str, float]:
        """By how much each broken limit is exceeded, as a factor above 1."""
        ratios = {name: getattr(plan, name) / bound for name, bound in self._bounds.items()}
        return {name: ratio for name, ratio in ratios.items() if ratio > 1}


def _factor(excess: dict[str, float]) -> float:
    """How much narrower to make every layer: by what the limit that needs most of it needs.

    Tensors, and with them working memory, grow with the widths; weights with their squares.
    """
    needed = (1 / x if name in _MEMORY else 1 / sqrt(x) for name, x in excess.items())
    return float(np.clip(min(needed), *_SHRINK_FACTORS))


def narrow_all(architecture: Architecture, space: SearchSpace, factor: float) -> Architecture:
    """The canonical architecture with all widths multiplied by a factor below 1.

    Every width goes down to a smaller one that the space has, but no layer below its least number
    of filters and no hidden layer below its least units. Depthwise layers are as wide as what they
    read; branches follow the widths of their blocks.
    """

    def less(width: int, least: int) -> int:
        return max(least, min(int(width * factor), width - 1))

    def narrower(layer: ConvLayer) -> ConvLayer:
        if isinstance(layer, DepthwiseConv2D):
            return layer
        filters = less(layer.filters, space.filter_limits[0])
        return replace(layer, filters=space.nearest_width(filters))

    blocks = tuple(
        replace(block, layers=tuple(map(narrower, block.layers))) for block in architecture.blocks
    )
    hidden = tuple(less(units, space.hidden_units[0]) for units in architecture.hidden)
    return space.canonical(replace(architecture, blocks=blocks, hidden=hidden))
