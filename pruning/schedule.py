"""Gradual pruning: the sparsity rises with the cubic schedule while the network is fine-tuned.

Notation:

    symbol   meaning                                              source
    s        final sparsity
    t        progress of the fine-tuning, in [0, 1]
    t_e      progress at which the final sparsity is reached
    s_t      s (1 - (1 - t / t_e)^3), sparsity at t               Zhu & Gupta, arXiv:1710.01878
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_RAMP_END = 0.7
"""The last third of the steps trains what remains."""


def cubic(sparsity: float, progress: float) -> float:
    """Sparsity at a progress in [0, 1].

    >>> [cubic(0.8, p) for p in (0.0, 0.5, 1.0)]
    [0.0, 0.7000000000000001, 0.8]
    """
    return sparsity * (1.0 - (1.0 - progress) ** 3)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A step hook of a training that prunes more and more.

    Attributes:
        own: Final sparsity of operators that have their own, by name.
        sparsity: Final sparsity of all others.
        every_steps: How often something changes until the final sparsity is reached; it is then
            reached exactly.
        update: Called with the sparsities (own, of the others) of the moment.
        after: Whether the update goes on after that, at the final sparsity.
    """

    own: Mapping[str, float]
    sparsity: float
    every_steps: int
    update: Callable[[Mapping[str, float], float], None]
    after: bool = False

    def __call__(self, number: int, total: int) -> None:
        """Called after each of ``total`` steps with its number, from 1."""
        end = max(1, round(_RAMP_END * total))
        due = number % self.every_steps == 0 and (self.after or number < end)
        if due or number == end:
            progress = min(1.0, number / end)
            own = {name: cubic(sparsity, progress) for name, sparsity in self.own.items()}
            self.update(own, cubic(self.sparsity, progress))
