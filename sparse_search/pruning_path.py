"""Paths of further pruning: what is tried with the models of a front, step by step.

Notation:

    symbol   meaning
    k        number of a step on a path, from 1
    s_k      1 - r^k, the sparsity of step k: each step keeps the share r of what the last one kept
    r        4/5 for structured methods, which remove channels; 3/4 for the others
    e_0      validation error of the model as it is, trained as long as its path
    g        error of guessing, 1 - 1 / classes

A model has one path for each method and one for each pair of a structured and another method, on
which both sparsities grow together. Channels always go first: zeros that are chosen before would be
spent on channels that go anyway. A path begins above the model's own sparsity and keeps what the
model has of the other kind. Every step starts from the same dense network, so that it costs one
fine-tuning. What is predicted to break a limit, or to be smaller than the step before in nothing
that is known beforehand, is left out. Other sparsities can be asked for, the same for both kinds.

A path ends with the first step whose error is above e_0 + (g - e_0) / 10: by then a tenth of what
the model has learned is lost, more than noise explains, and sparser steps lose more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product, repeat
from math import prod
from typing import TypeAlias

from .architecture import Architecture
from .candidate import Candidate, Evaluation, History, Outcome, PruningStep, Recipe
from .finals import Fits, representatives, settled, useful
from .interfaces import Pruner
from .sparsity import STRUCTURED

FIRST_PRUNED_ID = 200_000
"""Further pruned candidates have ids from here on, so that they change no id of a longer search."""

_STRUCTURED_KEPT, _OTHERS_KEPT = 0.8, 0.75
_STEPS = 12
_LOST_SHARE = 0.1
_ROUNDING = 1e-9
_ERROR = "val_error"

Sizes: TypeAlias = Callable[[Candidate], Sequence[float]]
"""Objectives that are known before training, in one order."""

_Experiment: TypeAlias = tuple[Architecture, tuple[PruningStep, ...], int | None, Recipe]


@dataclass(frozen=True, slots=True)
class Methods:
    """Pruning methods by kind.

    Attributes:
        structured: Names of those that remove channels.
        others: Names of those that set single weights to zero.
    """

    structured: tuple[str, ...]
    others: tuple[str, ...]

    @staticmethod
    def of(pruners: Sequence[Pruner]) -> "Methods":
        """Sorts methods by kind."""
        names = tuple(pruner.name for pruner in pruners)
        structured = tuple(name for name in names if name in STRUCTURED)
        return Methods(structured, tuple(name for name in names if name not in STRUCTURED))

    def only(self, names: Sequence[str]) -> "Methods":
        """Those of the names."""
        return Methods(
            tuple(name for name in self.structured if name in names),
            tuple(name for name in self.others if name in names),
        )


@dataclass(frozen=True, slots=True)
class Trials:
    """What is tried with each model.

    Attributes:
        methods: Of the paths.
        codebook_bits: Of the models that are tried; None is any int8 value.
        sparsities: Of the steps, ascending; empty for s_k.
    """

    methods: Methods
    codebook_bits: Sequence[int | None] = (None,)
    sparsities: Sequence[float] = ()


@dataclass(frozen=True)
class Path:
    """What is tried with one model in one way.

    Attributes:
        start: The model as it is, or with a codebook; its outcome is e_0. Candidates of a path are
            without an id of their own until they are proposed.
        steps: In order.
    """

    start: Candidate
    steps: tuple[Candidate, ...]


def choose_models(front: Sequence[Evaluation], count: int, class_count: int) -> list[Evaluation]:
    """Models of a front whose paths are worth while, the most accurate one first.

    One for each dense network, and none that has learned next to nothing; of too many, those that
    stand for the others.

    Args:
        front: By ascending error; without further pruned models.
        count: How many are chosen at most.
        class_count: Tells the error of guessing.
    """
    networks: dict[tuple[Architecture, Recipe], Evaluation] = {}
    for member in useful(front, class_count):
        networks.setdefault((member.candidate.architecture, member.candidate.recipe), member)
    return representatives([*networks.values()], count)


def plan_paths(
    model: Candidate,
    parent: int | None,
    known: Methods,
    trials: Trials,
    fits: Fits,
    sizes: Sizes,
) -> list[Path]:
    """Every path of one model; paths that have no step are left out.

    Args:
        model: A candidate of the search or of the final phase that was evaluated.
        parent: The search candidate whose weights the dense network inherits.
        known: Every method that there is, by kind.
        trials: What is tried.
        fits: Whether a candidate is predicted to keep the limits.
        sizes: What tells whether a step is smaller.
    """
    found = []
    wanted = trials.methods
    for bits in dict.fromkeys(trials.codebook_bits):
        start = replace(
            model,
            parent=parent,
            morphisms=(),
            effort="pruned",
            error_to_beat=None,
            codebook_bits=bits,
            pruned_from=model.id,
        )
        ways = [*product(wanted.structured, [None]), *product([None], wanted.others)]
        ways += product(wanted.structured, wanted.others)
        for structured, other in ways:
            steps = _steps(start, known, structured, other, trials.sparsities)
            if structured and other:
                # Where there is no channel to remove, it is the path of the other method again.
                alone = _steps(start, known, None, other, trials.sparsities)
                pairs = zip(steps, alone, strict=False)
                steps = (both for both, one in pairs if sizes(both) != sizes(one) or not sizes(one))
            kept = _worth_while(start, steps, fits, sizes)
            # A codebook alone is worth trying; without one the start is known.
            if kept or bits != model.codebook_bits:
                found.append(Path(start, tuple(kept)))
    return found


def _steps(
    start: Candidate,
    known: Methods,
    structured: str | None,
    other: str | None,
    sparsities: Sequence[float],
) -> Iterator[Candidate]:
    """The start with more and more removed by one method or by two."""
    own = [step for step in start.pruning if step.method in known.structured]
    masks = [step for step in start.pruning if step.method not in known.structured]
    # Channels of a second method go from what the first one left; masks only grow.
    least = 1.0 - prod(1.0 - step.sparsity for step in own)
    most = max((step.sparsity for step in masks), default=0.0)
    cuts = _levels(_STRUCTURED_KEPT, least, sparsities) if structured else repeat(0.0)
    zeros = _levels(_OTHERS_KEPT, most, sparsities) if other else repeat(0.0)
    for cut, zero in zip(cuts, zeros, strict=False):
        first = own if structured is None else [_raised(own, structured, cut)]
        second = masks if other is None else [_raised(masks, other, zero)]
        yield replace(start, pruning=(*first, *second))


def _levels(kept: float, above: float, asked: Sequence[float]) -> list[float]:
    """Sparsities of steps that remove noticeably more than ``above``, or those asked for.

    >>> _levels(0.75, 0.5, ()), _levels(0.75, 0.5, (0.4, 0.85))
    ([0.58, 0.68, 0.76, 0.82, 0.87, 0.9, 0.92, 0.94, 0.96, 0.97], [0.85])
    """
    if asked:
        return [level for level in asked if level > above]
    levels = [round(1.0 - kept**k, 2) for k in range(1, _STEPS + 1)]
    # Half a step at least: a smaller one would train nearly the same model again.
    return [level for level in levels if 1.0 - level < (1.0 - above) * (1.0 + kept) / 2]


def _raised(steps: Sequence[PruningStep], method: str, sparsity: float) -> PruningStep:
    """One step of a method in place of steps of its kind.

    A layer that lost less than the others keeps that; one that lost more loses no less than before,
    and no less than the others lose now.
    """
    layers: dict[str, float] = {}
    for step in steps:
        for name, own in step.layers:
            layers[name] = own if own < step.sparsity else max(own, sparsity)
    exceptions = tuple(sorted((n, own) for n, own in layers.items() if own != sparsity))
    return PruningStep(method, sparsity, exceptions)


def _worth_while(
    start: Candidate, steps: Iterator[Candidate], fits: Fits, sizes: Sizes
) -> list[Candidate]:
    """Steps that fit, and that are smaller than the one before in something."""
    found: list[Candidate] = []
    last = sizes(start)
    for step in steps:
        now = sizes(step)
        smaller = any(a < b - _ROUNDING for a, b in zip(now, last, strict=True))
        if fits(step) and (smaller or not now):
            found.append(step)
            last = now
    return found


@dataclass(frozen=True)
class Schedule:
    """Which step comes next: a function of the history, so a killed run goes on as it was.

    Attributes:
        paths: Of all models, the most important model first.
        class_count: Tells the error of guessing.
        max_loss: By how much a step may raise the validation error (fraction) above e_0 before its
            path ends; None for a tenth of what the model has learned.
    """

    paths: tuple[Path, ...]
    class_count: int
    max_loss: float | None = None

    def next(self, history: History) -> Candidate | None:
        """The next candidate, with its id; None if all paths have ended or wait for an outcome.

        First the models as they are, then the first step of every path, then the second ones.
        """
        outcomes = _outcomes(history)
        # Only these are resumed; a final training that was interrupted is begun again.
        taken = {_experiment(c) for c in history.pending if c.effort == "pruned"}
        ready = [
            (position, number, step)
            for number, path in enumerate(self.paths)
            for position, step in enumerate(self._open(path, outcomes))
            if _experiment(step) not in outcomes
        ]
        # A path whose first open step is being evaluated waits for it.
        first: dict[int, tuple[int, int, Candidate]] = {}
        for entry in ready:
            first.setdefault(entry[1], entry)
        free = [entry for entry in first.values() if _experiment(entry[2]) not in taken]
        if not free:
            return None
        _, _, chosen = min(free, key=lambda entry: entry[:2])
        ids = [c.id + 1 for c in history.candidates if c.effort == "pruned"]
        return replace(chosen, id=max([FIRST_PRUNED_ID, *ids]))

    def count(self, history: History) -> tuple[int, int]:
        """How many candidates there are at most, the done ones included, and how many are done."""
        outcomes = _outcomes(history)
        done = sum(outcome.candidate.effort == "pruned" for outcome in history.outcomes)
        wanted = {_experiment(s) for path in self.paths for s in self._open(path, outcomes)}
        wanted |= {_experiment(c) for c in history.pending if c.effort == "pruned"}
        return done + len(wanted - outcomes.keys()), done

    def _open(self, path: Path, outcomes: Mapping[_Experiment, Outcome]) -> list[Candidate]:
        """The start and the steps up to the end of the path as far as it is known."""
        start = outcomes.get(_experiment(path.start))
        if start is None:
            return [path.start, *path.steps]
        if not isinstance(start, Evaluation):
            return [path.start]
        error = start.objectives[_ERROR]
        loss = self.max_loss
        if loss is None:
            loss = _LOST_SHARE * (1.0 - 1.0 / self.class_count - error)
        found = [path.start]
        for step in path.steps:
            found.append(step)
            outcome = outcomes.get(_experiment(step))
            if isinstance(outcome, Evaluation) and outcome.objectives[_ERROR] > error + loss:
                break
        return found


def _experiment(candidate: Candidate) -> _Experiment:
    """What makes two candidates after the search the same experiment."""
    return (
        candidate.architecture,
        candidate.pruning,
        candidate.codebook_bits,
        candidate.recipe,
    )


def _outcomes(history: History) -> dict[_Experiment, Outcome]:
    """Outcomes after the search; of equal experiments the first one."""
    found: dict[_Experiment, Outcome] = {}
    for outcome in settled(history, _experiment).outcomes:
        if not outcome.candidate.searching:
            found.setdefault(_experiment(outcome.candidate), outcome)
    return found
