"""Forecaster: the memory plan of a candidate before anything is trained.

Shapes, working memory, MACs and unpruned sizes are exact. So are sizes after structured pruning,
which takes a known fraction of every channel group. After unstructured pruning the number of zeros
is known, and that of a layer which has its own sparsity; the share of every other layer is not. A
plan assumes that these have equal shares. Up to rounding, and to the table of a codebook where
weights are clustered, this is an upper bound of the flash: the bytes of a layer are the least of
encodings that are linear in the number of its zeros (of gaps, the most that there can be), so a
concave function of its sparsity, and uneven shares take fewer bytes. Only the memory that SpArSe
counts by layer, inputs and weights, can turn out larger. Of a step with a threshold nothing is
known before training: the plan is that of the network from which it removes nothing, and so an
upper bound.

All this is for the search. Models that are trained after it lose the channels that pruning has left
without use (``cutting``), and may be smaller in everything.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from .architecture import Architecture
from .candidate import Candidate, PruningStep
from .errors import ArchitectureError
from .interfaces import Pruner
from .memory import KernelLibrary, MemoryPlan, plan_memory
from .space import SearchSpace

if TYPE_CHECKING:
    from .target import Limits

_Key: TypeAlias = tuple[Architecture, tuple[PruningStep, ...], int | None]

DEFAULT_CACHE_SIZE = 5_000
"""Plans that are remembered; one takes about 5 KB."""


class Forecaster:
    """Predicts memory plans; remembers the latest ones, which changes nothing but the time."""

    def __init__(
        self,
        space: SearchSpace,
        pruners: Sequence[Pruner],
        kernels: KernelLibrary = KernelLibrary.RUNTIME,
        *,
        cache_size: int = DEFAULT_CACHE_SIZE,
    ) -> None:
        """Makes a forecaster.

        Args:
            space: Builds the graph of a candidate.
            pruners: Every method that candidates may ask for.
            kernels: Whose kernels will run the model.
            cache_size: Plans that are remembered.

        Raises:
            ArchitectureError: The space names a pruning method that is not given.
        """
        self.space = space
        self.kernels = kernels
        self._pruners = {pruner.name: pruner for pruner in pruners}
        self._cache_size = cache_size
        self._cache: OrderedDict[_Key, MemoryPlan] = OrderedDict()
        for method in (method for allowed in space.pruning for method in allowed.methods):
            self._pruner(method)

    def plan(self, candidate: Candidate) -> MemoryPlan:
        """The plan of the candidate after pruning.

        Raises:
            ArchitectureError: The architecture does not fit the input, or a pruning method, or
                an operator that it names, is unknown.
        """
        key = (candidate.architecture, candidate.pruning, candidate.codebook_bits)
        plan = self._cache.get(key)
        if plan is not None:
            self._cache.move_to_end(key)
            return plan
        plan = self._predict(*key)
        self._cache[key] = plan
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return plan

    def violations(self, candidate: Candidate, limits: "Limits") -> list[str]:
        """What the candidate is predicted to violate, in words; empty where it keeps all."""
        return limits.check(self.plan(candidate))

    def _predict(
        self,
        architecture: Architecture,
        pruning: Sequence[PruningStep],
        codebook_bits: int | None,
    ) -> MemoryPlan:
        graph = self.space.build(architecture)
        zeros: dict[str, float] = {}
        for step in pruning:
            graph, fractions = self._pruner(step.method).predict(graph, step)
            # A later method starts from the zeros of an earlier one: it adds what is missing.
            for name, fraction in fractions.items():
                zeros[name] = max(zeros.get(name, 0.0), fraction)
        return plan_memory(graph, self.kernels, zeros, codebook_bits=codebook_bits)

    def _pruner(self, method: str) -> Pruner:
        if method not in self._pruners:
            known = ", ".join(self._pruners) or "none"
            raise ArchitectureError(
                f"expected a pruning method among {known}, got {method!r}; pass its pruner"
            )
        return self._pruners[method]
