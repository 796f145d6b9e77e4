"""When hyper-parameters are learned anew: on a schedule that follows from the history alone.

Hyper-parameters are those of the first m evaluations, where m is the largest of 3, 4, ... 10,
12, 14, 16, 19, ... that the study has reached: each size is a fifth above the one before. In
between, every evaluation is conditioned on exactly, which costs one factorization.

The fit of one size starts from that of the size before, so it takes a few iterations. This chain of
fits is a function of the evaluations in the order of their candidates, not of what a process has
computed before: after a resume it is computed again, and gives the same. The cache only saves time,
and knows by a hash which evaluations a fit has seen: with several workers a late outcome can come
in between earlier ones.
"""

import hashlib
from collections.abc import Iterator, Sequence

from .hyperparameters import FEWEST_TO_FIT, Hyperparameters
from .observations import Observations
from .surrogate import join, learn

_GROWTH = 5
_FIRST_ITERATIONS, _ITERATIONS = 60, 10
"""Of L-BFGS, each about one factorization of [m, m]."""


def fit_sizes(count: int) -> Iterator[int]:
    """Numbers of evaluations, up to ``count``, at which hyper-parameters are learned.

    >>> list(fit_sizes(25))
    [3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19, 22]
    """
    size = FEWEST_TO_FIT
    while size <= count:
        yield size
        size += max(1, size // _GROWTH)


class Refits:
    """Hyper-parameters by the evaluations that they come from."""

    def __init__(self, groups: Sequence[str]) -> None:
        """Nothing is known yet.

        Args:
            groups: Group of each coordinate of the points.
        """
        self._prior = Hyperparameters.prior(groups)
        self._fits: dict[int, tuple[bytes, Hyperparameters]] = {}

    def latest(self, observations: Observations) -> Hyperparameters:
        """Those of the largest size of the schedule; of fewer evaluations the prior's."""
        count = observations.measured_count
        points = join(observations.values[:count], observations.active[:count]).numpy()
        errors = observations.errors[:count]
        known, seen, start = self._prior, hashlib.sha256(), 0
        for size in fit_sizes(count):
            seen.update(points[start:size].tobytes())
            seen.update(errors[start:size].tobytes())
            start = size
            digest, found = self._fits.get(size, (b"", known))
            if digest != seen.digest():
                iterations = _ITERATIONS if size > FEWEST_TO_FIT else _FIRST_ITERATIONS
                found = learn(known, observations, size, iterations)
                self._fits[size] = seen.digest(), found
            known = found
        return known
