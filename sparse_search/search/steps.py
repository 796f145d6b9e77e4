"""Steps from one candidate to another that leave the architecture as it is: pruning and training.

Each returns the candidate itself where it finds nothing to change.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..candidate import Candidate, PruningStep
from ..space import PruningRange, SearchSpace
from ..sparsity import sparsity_targets

_LARGEST_LEVEL_STEP = 4
_UNPRUNED_PROBABILITY = 0.2
_LAYER_PROBABILITY = 0.3
_METHOD_PROBABILITY = 0.2


def change_pruning(
    candidate: Candidate, space: SearchSpace, generator: np.random.Generator
) -> Candidate:
    """Another sparsity of one kind of pruning or of a single operator, or another method."""
    if not space.pruning:
        return candidate
    chosen = space.pruning[int(generator.integers(len(space.pruning)))]
    sparsities = {step.method: step.sparsity for step in candidate.pruning}
    layers = {step.method: dict(step.layers) for step in candidate.pruning}
    step = chosen.step_of(candidate.pruning)
    method = step.method if step else _any_of(chosen.methods, generator)
    if step and chosen.alternatives and generator.random() < _METHOD_PROBABILITY:
        others = [other for other in chosen.methods if other != method]
        pruning = _renamed(candidate.pruning, method, _any_of(others, generator))
        return replace(candidate, pruning=pruning, morphisms=(*candidate.morphisms, "method"))
    common = sparsities.get(method, 0.0)
    own = layers.setdefault(method, {})
    name = f"sparsity_{method}"
    targets: tuple[str, ...] = ()
    if common > 0 and chosen.per_layer and generator.random() < _LAYER_PROBABILITY:
        targets = sparsity_targets(space.build(candidate.architecture), method)
    if targets:
        target = targets[int(generator.integers(len(targets)))]
        own[target] = _other_level(own.get(target, common), chosen, generator)
        name = f"layer_{name}"
    else:
        sparsities[method] = _other_level(common, chosen, generator)
        if sparsities[method] == 0.0:
            own.clear()
    pruning = space.pruning_steps(sparsities, layers)
    if pruning == candidate.pruning:
        return candidate
    return replace(candidate, pruning=pruning, morphisms=(*candidate.morphisms, name))


def change_recipe(
    candidate: Candidate, space: SearchSpace, generator: np.random.Generator
) -> Candidate:
    """Another value of one training parameter."""
    neighbours = space.recipes.neighbours(candidate.recipe)
    if not neighbours:
        return candidate
    recipe = neighbours[int(generator.integers(len(neighbours)))]
    return replace(candidate, recipe=recipe, morphisms=(*candidate.morphisms, "recipe"))


def _any_of(options: Sequence[str], generator: np.random.Generator) -> str:
    """One of them, all as likely; nothing is drawn where there is one."""
    return options[int(generator.integers(len(options)))] if len(options) > 1 else options[0]


def _renamed(pruning: Sequence[PruningStep], method: str, other: str) -> tuple[PruningStep, ...]:
    """The same steps with another method in place of one."""
    return tuple(replace(s, method=other) if s.method == method else s for s in pruning)


def _other_level(sparsity: float, allowed: PruningRange, generator: np.random.Generator) -> float:
    """A sparsity some levels up or down, or none at all."""
    levels = allowed.levels
    if generator.random() < _UNPRUNED_PROBABILITY:
        return levels[0]
    nearest = min(range(len(levels)), key=lambda i: abs(levels[i] - sparsity))
    shift = int(generator.integers(1, _LARGEST_LEVEL_STEP + 1))
    place = nearest + (shift if generator.random() < 0.5 else -shift)
    return levels[min(max(place, 0), len(levels) - 1)]
