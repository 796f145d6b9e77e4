"""The pool: feasible candidates that a proposal chooses from, most of them morphs of earlier ones.

A morph takes a few random steps from an evaluated candidate, whose weights it inherits: a step is
one edit by a morphism, or another sparsity of one pruning method.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..architecture import Architecture
from ..candidate import Candidate
from ..interfaces import Morphism, Site, morph
from ..space import SearchSpace
from .feasible import Forecast, Sieve

_ATTEMPTS_PER_MORPH = 3
_TRIES_PER_STEP = 8
_LARGEST_SPARSITY_STEP = 4
_KEEP_UNPRUNED = 0.2


class Morpher:
    """Draws morphs of candidates; remembers the sites that it listed."""

    def __init__(
        self,
        space: SearchSpace,
        morphisms: Sequence[Morphism],
        *,
        max_steps: int,
        pruning_probability: float,
    ) -> None:
        """Makes a morpher.

        Args:
            space: What morphs must be members of.
            morphisms: Edits to choose from.
            max_steps: Steps of a morph are 1 to this number.
            pruning_probability: Of a step to change a sparsity.
        """
        self._space = space
        self._morphisms = tuple(morphisms)
        self._max_steps = max_steps
        self._pruning_probability = pruning_probability if space.pruning else 0.0
        self._sites: dict[tuple[str, Architecture], Sequence[Site]] = {}

    def draw(
        self, parent: Candidate, candidate_id: int, generator: np.random.Generator
    ) -> Candidate | None:
        """A morph of ``parent``; None if no step was possible."""
        child = replace(
            parent,
            id=candidate_id,
            origin="morph",
            parent=parent.id,
            morphisms=(),
            effort="search",
        )
        for _ in range(generator.integers(1, self._max_steps + 1)):
            if not self._morphisms or generator.random() < self._pruning_probability:
                child = self._change_sparsity(child, generator)
            else:
                child = self._edit(child, generator)
        return child if child.morphisms else None

    def _edit(self, candidate: Candidate, generator: np.random.Generator) -> Candidate:
        """One random edit; the candidate itself if none of a few tries is a valid change."""
        architecture = candidate.architecture
        for index in generator.integers(len(self._morphisms), size=_TRIES_PER_STEP).tolist():
            morphism = self._morphisms[index]
            sites = self._list_sites(morphism, architecture)
            if not sites:
                continue
            site = sites[int(generator.integers(len(sites)))]
            edited = morph(morphism, architecture, site, self._space)
            if edited is not None:
                names = (*candidate.morphisms, morphism.name)
                return replace(candidate, architecture=edited, morphisms=names)
        return candidate

    def _list_sites(self, morphism: Morphism, architecture: Architecture) -> Sequence[Site]:
        key = (morphism.name, architecture)
        if key not in self._sites:
            self._sites[key] = morphism.sites(architecture, self._space)
        return self._sites[key]

    def _change_sparsity(self, candidate: Candidate, generator: np.random.Generator) -> Candidate:
        """Another sparsity of one method: some levels up or down, or none at all."""
        if not self._space.pruning:
            return candidate
        chosen = self._space.pruning[generator.integers(len(self._space.pruning))]
        sparsities = {step.method: step.sparsity for step in candidate.pruning}
        old = sparsities.get(chosen.method, 0.0)
        levels = chosen.levels
        nearest = int(np.abs(np.array(levels) - old).argmin())
        shift = int(generator.integers(1, _LARGEST_SPARSITY_STEP + 1))
        up = generator.random() < 0.5
        place = min(max(nearest + (shift if up else -shift), 0), len(levels) - 1)
        if generator.random() < _KEEP_UNPRUNED:
            place = 0
        sparsities[chosen.method] = levels[place]
        pruning = self._space.pruning_steps(sparsities)
        if pruning == candidate.pruning:
            return candidate
        names = (*candidate.morphisms, f"sparsity_{chosen.method}")
        return replace(candidate, pruning=pruning, morphisms=names)


def draw_morphs(
    morpher: Morpher,
    sieve: Sieve,
    parents: Sequence[Candidate],
    weights: NDArray[np.float64],
    count: int,
    candidate_id: int,
    generator: np.random.Generator,
) -> list[Forecast]:
    """Morphs that pass the sieve.

    Args:
        morpher: Draws them.
        sieve: Repairs and drops.
        parents: n candidates with recorded weights.
        weights: [n], positive; how likely each is a parent.
        count: How many morphs are wanted; fewer come back where they are too hard to find.
        candidate_id: Id of the morphs.
        generator: Source of randomness.
    """
    found: list[Forecast] = []
    chosen = generator.choice(len(parents), _ATTEMPTS_PER_MORPH * count, p=weights / weights.sum())
    for index in chosen:
        if len(found) == count:
            break
        child = morpher.draw(parents[index], candidate_id, generator)
        forecast = sieve.admit(child) if child is not None else None
        if forecast is not None:
            found.append(forecast)
    return found
