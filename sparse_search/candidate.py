"""Candidate (proposed), Evaluation (measured), Rejection (why not): types, not a status field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from .architecture import Architecture

Origin: TypeAlias = Literal["random", "morph", "given"]
Effort: TypeAlias = Literal["search", "final", "pruned"]
RejectionKind: TypeAlias = Literal[
    "infeasible", "stopped", "diverged", "unquantizable", "crashed", "failed"
]

STAGES = ("random or morph", "pruning parameters", "Pareto parents")
"""What a strategy in stages proposes in stage 1, 2 and 3, for people."""


@dataclass(frozen=True, slots=True)
class PruningStep:
    """One pruning method and how much it removes.

    Attributes:
        method: Name of a pruner.
        sparsity: Fraction removed, in [0, 1).
        layers: (operator name, fraction) of operators that lose another fraction; the names are
            those of the unpruned graph.
        threshold: For methods that measure what can go: everything above is removed, whatever
            fraction that is, and ``sparsity`` is 0. None removes the fraction.
    """

    method: str
    sparsity: float
    layers: tuple[tuple[str, float], ...] = ()
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a candidate's training departs from the study's.

    Attributes:
        learning_rate_scale: Factor on the peak learning rate.
        batch_scale: Factor on the batch size.
        weight_decay: In place of the study's; None keeps that.
        dropout: Fraction of the inputs of the first fully connected layer that a training step
            leaves out.
    """

    learning_rate_scale: float = 1.0
    batch_scale: float = 1.0
    weight_decay: float | None = None
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that a study will train, prune and measure.

    Attributes:
        id: Number in the study, from 0.
        architecture: Canonical architecture before pruning.
        pruning: Pruning methods in the order in which they are applied.
        recipe: How it is trained.
        origin: Sampled at random, made by morphisms from ``parent``, or given to begin with.
        parent: Candidate whose weights are inherited; None trains from scratch.
        morphisms: Names of the morphisms from the parent to this candidate, in order.
        effort: Brief training for the search, or the longer one of the final phase and of the
            models that are pruned further after it.
        stage: Stage of the strategy's plan that proposed it, from 1; 0 where there are none.
        error_to_beat: The least validation error among the models that were no larger in any
            objective known beforehand when it was proposed; training may stop early once it is
            clear that the candidate stays above. None if there was no such model.
        codebook_bits: The weights of all layers take at most 2^bits different int8 values; None
            for any.
        pruned_from: The model whose path of further pruning this is a step of; None for others.
    """

    id: int
    architecture: Architecture
    pruning: tuple[PruningStep, ...] = ()
    recipe: Recipe = Recipe()
    origin: Origin = "random"
    parent: int | None = None
    morphisms: tuple[str, ...] = ()
    effort: Effort = "search"
    stage: int = 0
    error_to_beat: float | None = None
    codebook_bits: int | None = None
    pruned_from: int | None = None

    @property
    def key(self) -> tuple[Architecture, tuple[PruningStep, ...], int | None, Recipe, Effort]:
        """What makes two candidates the same experiment."""
        return (self.architecture, self.pruning, self.codebook_bits, self.recipe, self.effort)

    @property
    def searching(self) -> bool:
        """Whether it is trained briefly, for the search."""
        return self.effort == "search"

    def sparsity(self, method: str) -> float:
        """Sparsity that ``method`` is asked for; 0 where it is not used."""
        return next((step.sparsity for step in self.pruning if step.method == method), 0.0)

    def to_json(self) -> str:
        """Compact JSON, the same text for equal candidates."""
        return _CANDIDATE.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Candidate":
        """Reads ``to_json``'s text."""
        return _CANDIDATE.validate_json(text)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of a candidate's pruned int8 model.

    Attributes:
        candidate: What was evaluated.
        objectives: Value by objective name; all are minimised.
        metrics: Further figures by name, among them every memory definition in bytes.
        curve: Validation error (fraction) of the float network after each epoch.
        seconds: Wall time of the evaluation.
    """

    candidate: Candidate
    objectives: Mapping[str, float]
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """Compact JSON, the same text for equal evaluations."""
        return _EVALUATION.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Evaluation":
        """Reads ``to_json``'s text."""
        return _EVALUATION.validate_json(text)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a candidate has no measurements.

    Attributes:
        candidate: What was rejected.
        kind: "infeasible" (breaks a limit, never trained), "stopped" (its training was ended
            early: a smaller model is better), "diverged" (loss not finite), "unquantizable" (its
            numbers do not fit the int8 format), "crashed" (its worker died), "failed" (an error,
            named in the reason).
        reason: One sentence for a person.
        curve: Validation errors (fractions) of a stopped training, one for each epoch.
        expected_error: Validation error (fraction) that a stopped training was heading for.
        seconds: Wall time spent on it.
    """

    candidate: Candidate
    kind: RejectionKind
    reason: str
    curve: tuple[float, ...] = ()
    expected_error: float | None = None
    seconds: float = 0.0

    @property
    def accident(self) -> bool:
        """Whether it may be no fault of the network: a full disk, too little memory."""
        return self.kind in ("crashed", "failed")

    def to_json(self) -> str:
        """Compact JSON, the same text for equal rejections."""
        return _REJECTION.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Rejection":
        """Reads ``to_json``'s text."""
        return _REJECTION.validate_json(text)


Outcome: TypeAlias = Evaluation | Rejection


def read_outcome(text: str | bytes) -> Outcome:
    """Reads the JSON of an Evaluation or a Rejection."""
    return _OUTCOME.validate_json(text)


@dataclass(frozen=True, slots=True)
class History:
    """What a strategy may know when it proposes.

    Attributes:
        outcomes: Evaluations and rejections in the order of their candidates' ids.
        pending: Candidates that are proposed and not yet recorded.
    """

    outcomes: Sequence[Outcome] = ()
    pending: Sequence[Candidate] = ()

    @property
    def evaluations(self) -> list[Evaluation]:
        """The measured outcomes, in order."""
        return [o for o in self.outcomes if isinstance(o, Evaluation)]

    @property
    def candidates(self) -> list[Candidate]:
        """Every candidate ever proposed."""
        return [*(o.candidate for o in self.outcomes), *self.pending]


_CANDIDATE = TypeAdapter(Candidate)
_EVALUATION = TypeAdapter(Evaluation)
_REJECTION = TypeAdapter(Rejection)
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
