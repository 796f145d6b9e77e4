"""Random candidates, and the first ones of a study: random too, but of chosen size and promise."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..candidate import Candidate, Recipe
from ..forecast import Forecaster
from ..space import SearchSpace
from ..target import Limits
from .feasible import Forecast, Sieve
from .features import capacity

_ATTEMPTS_PER_CANDIDATE = 20
_ATTEMPTS_WITHOUT_SUCCESS = 200
_COMPARED = 24
_SMALLEST_SHARE = 0.4


def random_candidate(
    space: SearchSpace, candidate_id: int, generator: np.random.Generator, *, recipes: bool = True
) -> Candidate:
    """A random network with random pruning, to be trained from scratch; may break limits.

    Args:
        space: What is drawn from.
        candidate_id: Id of the candidate.
        generator: Source of randomness.
        recipes: Whether the recipe is random too; else it is the study's, if the space allows it.
    """
    architecture = space.sample(generator)
    single = any(allowed.per_layer for allowed in space.pruning)
    pruning = space.sample_pruning(generator, space.build(architecture) if single else None)
    own = recipes or Recipe() not in space.recipes
    recipe = space.sample_recipe(generator) if own else Recipe()
    return Candidate(candidate_id, architecture, pruning, recipe)


def draw_feasible(
    space: SearchSpace,
    sieve: Sieve,
    count: int,
    candidate_id: int,
    generator: np.random.Generator,
    *,
    recipes: bool = True,
) -> list[Forecast]:
    """Random candidates that pass the sieve.

    Args:
        space: What is drawn from.
        sieve: Repairs and drops.
        count: How many are wanted; fewer come back where they are too hard to find.
        candidate_id: Id of the candidates.
        generator: Source of randomness.
        recipes: See ``random_candidate``.
    """
    found: list[Forecast] = []
    for attempt in range(_ATTEMPTS_PER_CANDIDATE * count):
        if len(found) == count or (attempt == _ATTEMPTS_WITHOUT_SUCCESS and not found):
            break
        drawn = random_candidate(space, candidate_id, generator, recipes=recipes)
        forecast = sieve.admit(drawn)
        if forecast is not None:
            found.append(forecast)
    return found


def draw_one(
    space: SearchSpace, sieve: Sieve, candidate_id: int, generator: np.random.Generator
) -> Candidate:
    """A random candidate that passes the sieve.

    Raises:
        InfeasibleError: None was found with bounded effort.
    """
    drawn = draw_feasible(space, sieve, 1, candidate_id, generator)
    if not drawn:
        raise sieve.error()
    return drawn[0].candidate


def initial_candidate(
    forecaster: Forecaster,
    limits: Limits,
    known: Sequence[Candidate],
    candidate_id: int,
    generator: np.random.Generator,
) -> Candidate:
    """One of the first candidates, before anything is known about errors.

    Of some random candidates the one with the largest capacity is taken: most random networks have
    a layer so narrow that they learn next to nothing, and a search starts better from others. The
    size that they may have changes from one call to the next, so that the first candidates spread
    over what the limit allows, or over what random networks need if there is none. They are trained
    as the study says: other recipes are for the search to try.

    Args:
        forecaster: Predicts plans.
        limits: What the candidate must keep.
        known: Candidates that there are already.
        candidate_id: Id of the candidate.
        generator: Source of randomness.

    Raises:
        InfeasibleError: No new candidate that keeps the limits was found.
    """
    space, share = forecaster.space, van_der_corput(len(known))
    if limits.model_bytes is not None:
        share = _SMALLEST_SHARE + (1.0 - _SMALLEST_SHARE) * share
        tight = replace(limits, model_bytes=max(1, round(share * limits.model_bytes)))
        sieve = Sieve(forecaster, tight, known)
        drawn = draw_feasible(space, sieve, _COMPARED, candidate_id, generator, recipes=False)
        if drawn:
            return _most_capable(drawn)
    sieve = Sieve(forecaster, limits, known)
    drawn = draw_feasible(space, sieve, 2 * _COMPARED, candidate_id, generator, recipes=False)
    if not drawn:
        return draw_one(space, sieve, candidate_id, generator)
    drawn.sort(key=lambda forecast: forecast.plan.nonzeros)
    start = round(share * max(len(drawn) - _COMPARED, 0))
    return _most_capable(drawn[start : start + _COMPARED])


def _most_capable(drawn: Sequence[Forecast]) -> Candidate:
    return max(drawn, key=lambda forecast: capacity(forecast.plan)).candidate


def van_der_corput(number: int) -> float:
    """Member of a sequence that fills (0, 1] evenly, however many are taken.

    >>> [van_der_corput(i) for i in range(5)]
    [1.0, 0.5, 0.75, 0.25, 0.875]
    """
    digits = f"{number:b}"[::-1] if number else ""
    return 1.0 - sum(2.0 ** -(place + 1) for place, digit in enumerate(digits) if digit == "1")
