"""The pool: feasible candidates that a proposal chooses from, most of them morphs of earlier ones.

A morph takes a few random steps from an evaluated candidate, whose weights it inherits: a step is
one edit by a morphism, another sparsity, or another training parameter.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..architecture import Architecture
from ..candidate import Candidate
from ..interfaces import Morphism, Site, morph
from ..space import SearchSpace
from ..sparsity import keep_targets
from .feasible import Forecast, Sieve
from .steps import change_pruning, change_recipe

_ATTEMPTS_PER_MORPH = 3
_PATIENCE = 100
"""Attempts in a row without anything new after which a small neighbourhood counts as exhausted."""

_TRIES_PER_STEP = 8
_LAST_STEP_PROBABILITY = 0.5
"""Half of the morphs are one step away, a quarter two: near ones inherit most."""


class Morpher:
    """Draws morphs of candidates; remembers the sites that it listed."""

    def __init__(
        self,
        space: SearchSpace,
        morphisms: Sequence[Morphism],
        *,
        max_steps: int,
        pruning_probability: float,
        recipe_probability: float = 0.1,
    ) -> None:
        """Makes a morpher.

        Args:
            space: What morphs must be members of.
            morphisms: Edits to choose from.
            max_steps: Steps of a morph are 1 to this number, fewer ones more often.
            pruning_probability: Of a step to change a sparsity; 1 changes nothing else.
            recipe_probability: Of any other step to change a training parameter.
        """
        self._space = space
        self._morphisms = tuple(morphisms)
        self._max_steps = max_steps
        self._pruning_probability = pruning_probability if space.pruning else 0.0
        self._recipe_probability = recipe_probability
        self._sites: dict[Architecture, dict[str, Sequence[Site]]] = {}

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
            stage=0,
            error_to_beat=None,
        )
        for _ in range(min(generator.geometric(_LAST_STEP_PROBABILITY), self._max_steps)):
            if generator.random() < self._pruning_probability:
                child = change_pruning(child, self._space, generator)
            elif generator.random() < self._recipe_probability:
                child = change_recipe(child, self._space, generator)
            elif self._morphisms:
                child = self._edit(child, generator)
        return child if child.morphisms else None

    def _edit(self, candidate: Candidate, generator: np.random.Generator) -> Candidate:
        """One random edit; the candidate itself if none of a few tries is a valid change."""
        architecture = candidate.architecture
        known = self._sites.setdefault(architecture, {})
        for index in generator.integers(len(self._morphisms), size=_TRIES_PER_STEP).tolist():
            morphism = self._morphisms[index]
            if morphism.name not in known:
                known[morphism.name] = morphism.sites(architecture, self._space)
            sites = known[morphism.name]
            if not sites:
                continue
            site = sites[int(generator.integers(len(sites)))]
            edited = morph(morphism, architecture, site, self._space)
            if edited is not None:
                pruning = candidate.pruning
                if any(step.layers for step in pruning):
                    pruning = keep_targets(pruning, self._space.build(edited))
                names = (*candidate.morphisms, morphism.name)
                return replace(candidate, architecture=edited, pruning=pruning, morphisms=names)
        return candidate


@contextmanager
def _uncollected() -> Iterator[None]:
    """No walks over all objects for cycles: plans and graphs have none, and thousands are made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_uncollected()
def draw_morphs(
    morpher: Morpher,
    sieve: Sieve,
    parents: Sequence[Candidate],
    weights: NDArray[np.float64],
    count: int,
    candidate_id: int,
    generator: np.random.Generator,
    *,
    repair: bool = True,
) -> list[Forecast]:
    """Morphs that pass the sieve.

    Args:
        morpher: Draws them.
        sieve: Repairs and drops.
        parents: n candidates with recorded weights.
        weights: [n], not negative; how likely each is a parent.
        count: How many morphs are wanted; fewer come back where they are too hard to find.
        candidate_id: Id of the morphs.
        generator: Source of randomness.
        repair: Whether morphs that break a limit are narrowed and not dropped.
    """
    found: list[Forecast] = []
    chosen = generator.choice(len(parents), _ATTEMPTS_PER_MORPH * count, p=weights / weights.sum())
    failures = 0
    for index in chosen:
        if len(found) == count or failures == _PATIENCE:
            break
        child = morpher.draw(parents[index], candidate_id, generator)
        forecast = sieve.admit(child, repair=repair) if child is not None else None
        failures = failures + 1 if forecast is None else 0
        if forecast is not None:
            found.append(forecast)
    return found
