"""What a pruning step may ask of a method."""

from math import isfinite

from sparse_search.candidate import PruningStep
from sparse_search.errors import PruningError


def require_sparsity(step: PruningStep) -> None:
    """Refuses a threshold, for methods whose scores have no scale.

    Raises:
        PruningError: The step has a threshold, or its sparsity is not in [0, 1).
    """
    if step.threshold is not None:
        raise PruningError(
            f"{step.method}: expected a sparsity, got the threshold {step.threshold:g}; ask for a "
            "fraction, or use a method that learns what can go (bayesian, variational)"
        )
    _check_fractions(step)


def check_either(step: PruningStep) -> None:
    """Refuses a step that asks for a fraction and a threshold at once.

    Raises:
        PruningError: It does, or a number is out of range.
    """
    if step.threshold is not None and (step.sparsity > 0 or not isfinite(step.threshold)):
        raise PruningError(
            f"{step.method}: expected a sparsity or a finite threshold, got sparsity "
            f"{step.sparsity:g} and threshold {step.threshold:g}; leave one of them out"
        )
    _check_fractions(step)


def _check_fractions(step: PruningStep) -> None:
    for fraction in (step.sparsity, *(fraction for _, fraction in step.layers)):
        if not 0.0 <= fraction < 1.0:
            raise PruningError(
                f"{step.method}: expected sparsities of at least 0 and below 1, got {fraction:g}; "
                "0.9 removes nine weights of ten"
            )
