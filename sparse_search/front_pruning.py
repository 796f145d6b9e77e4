"""prune_front(record, dataset): the models of a finished run, pruned further step by step.

Every step is an ordinary candidate in the run's journal: trained, pruned, quantized and measured
like all others, so the front of the run is that of everything it has measured. May be interrupted
and called again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from .candidate import Candidate, Evaluation
from .errors import StudyError
from .finals import training_parents
from .forecast import Forecaster
from .interfaces import Objective, Pruner
from .journal import lock_study
from .phases import Observer, Phase, PhaseStarted, Replanned
from .pruning_path import Methods, Path, Schedule, Sizes, Trials, choose_models, plan_paths
from .record import StudyRecord
from .study_settings import training_config
from .workers import Device, Evaluate, WorkerCount, open_workers

if TYPE_CHECKING:
    from .dataset import Dataset


@dataclass(frozen=True)
class PathOptions:
    """What is tried.

    Attributes:
        methods: Names of pruning methods; empty for the first of each kind of the run's space.
        codebook_bits: The weights of a model take at most 2^bits different values; None for any.
        candidate: The one model that is pruned; None for the models of the front.
        models: How many models of the front are pruned at most.
        max_loss: Rise of the validation error (fraction) that ends a path; None for a tenth of what
            the model has learned.
        sparsities: Of the steps of a path, in (0, 1); empty for steps that each keep three quarters
            of the weights, or four fifths of the channels, that the last one kept.
    """

    methods: tuple[str, ...] = ()
    codebook_bits: tuple[int | None, ...] = (None,)
    candidate: int | None = None
    models: int = 6
    max_loss: float | None = None
    sparsities: tuple[float, ...] = ()


def prune_front(
    record: StudyRecord,
    dataset: "Dataset",
    *,
    pruners: Sequence[Pruner],
    objectives: Sequence[Objective],
    options: PathOptions | None = None,
    workers: WorkerCount = 0,
    device: Device | None = None,
    evaluate: Evaluate | None = None,
    observer: Observer = lambda event: None,
) -> int:
    """Prunes the models of a run's front along paths of sparsities (``pruning_path``).

    Args:
        record: The run.
        dataset: The run's; its test split is not opened.
        pruners: Every method that candidates may name.
        objectives: The run's.
        options: What is tried; None for the defaults.
        workers: Processes that evaluate, 0 for this one, "ray" for a cluster.
        device: Where networks are trained; None leaves it to the run's settings.
        evaluate: Evaluates one candidate; None does what the run did.
        observer: Called with each ``Event``.

    Returns:
        How many outcomes were recorded by this call; 0 if all were there.

    Raises:
        StudyError: The dataset, the objectives or the options do not fit the run; another process
            is working on it; or evaluations fail one after another.
        KeyboardInterrupt: Passed on; the same call continues.
    """
    options = options or PathOptions()
    record.check_dataset(dataset)
    names = tuple(objective.name for objective in objectives)
    if names != record.objectives:
        raise StudyError(
            f"expected the objectives {', '.join(record.objectives)} of {record.folder}, "
            f"got {', '.join(names)}; pass those that the run was made with"
        )
    if len(names) == 1:
        raise StudyError(
            f"expected a run with sizes as objectives, got {record.folder}, whose only one is "
            f"{names[0]}: a smaller model is no gain there; run with --goal front"
        )
    if evaluate is None:
        evaluate = _evaluator(record, dataset, pruners, objectives, workers, device)
    forecaster = Forecaster(record.space, pruners)
    with open_workers(workers, evaluate) as pool, lock_study(record.folder):
        schedule = _schedule(record, pruners, objectives, forecaster, options)
        phase = Phase(record.journal, forecaster, record.limits, pool, observer)
        return _run(record, schedule, phase)


def _run(record: StudyRecord, schedule: Schedule, phase: Phase) -> int:
    """Evaluates what was begun before, then what the schedule says."""
    history = record.history()
    total, done = schedule.count(history)
    pending = iter([c for c in history.pending if c.effort == "pruned"])
    phase.observer(PhaseStarted("pruned", total, done))

    def following() -> Candidate | None:
        nonlocal total
        if (begun := next(pending, None)) is not None:
            return begun
        history = record.history()
        now, _ = schedule.count(history)
        if now != total:
            total = now
            phase.observer(Replanned(total))
        candidate = schedule.next(history)
        if candidate is not None:
            record.journal.propose(candidate)
        return candidate

    return phase.run(following)


def _schedule(
    record: StudyRecord,
    pruners: Sequence[Pruner],
    objectives: Sequence[Objective],
    forecaster: Forecaster,
    options: PathOptions,
) -> Schedule:
    known = Methods.of(pruners)
    if not all(0.0 < sparsity < 1.0 for sparsity in options.sparsities):
        raise StudyError(
            f"expected sparsities above 0 and below 1, got {options.sparsities}; 0.9 removes nine "
            "weights of ten"
        )
    trials = Trials(
        known.only(_methods(record, known, options)),
        options.codebook_bits,
        sorted(set(options.sparsities)),
    )
    parents = training_parents(record.history())
    paths: list[Path] = []
    for model in _models(record, options):
        candidate = model.candidate
        parent = candidate.parent
        if candidate.searching:
            parent = parents.get(candidate.architecture, candidate.id)
        paths += plan_paths(
            candidate,
            parent,
            known,
            trials,
            lambda step: not forecaster.violations(step, record.limits),
            _sizes(forecaster, objectives),
        )
    return Schedule(tuple(paths), record.space.class_count, options.max_loss)


def _methods(record: StudyRecord, known: Methods, options: PathOptions) -> Sequence[str]:
    names = (*known.structured, *known.others)
    unknown = [name for name in options.methods if name not in names]
    if unknown:
        raise StudyError(
            f"expected pruning methods among {', '.join(names)}, got {', '.join(unknown)}"
        )
    return options.methods or [r.method for r in record.space.pruning]


def _models(record: StudyRecord, options: PathOptions) -> list[Evaluation]:
    """The evaluations whose paths are planned; what was pruned further never decides on that."""
    front = record.front_before_pruning().evaluations
    if options.candidate is None:
        if not front:
            raise StudyError(
                f"expected models within the limits in {record.folder}, found none; "
                "continue the run first"
            )
        return choose_models(front, options.models, record.space.class_count)
    evaluations = {e.candidate.id: e for e in record.history().evaluations}
    model = evaluations.get(options.candidate)
    if model is None:
        ids = ", ".join(str(e.candidate.id) for e in front) or "(none yet)"
        raise StudyError(
            f"expected a measured candidate of {record.folder}, got {options.candidate}; "
            f"the front has candidates {ids}"
        )
    if model.candidate.pruned_from is not None:
        raise StudyError(
            f"candidate {options.candidate} was itself pruned from candidate "
            f"{model.candidate.pruned_from}; give that one, its paths go on from there"
        )
    return [model]


def _sizes(forecaster: Forecaster, objectives: Sequence[Objective]) -> Sizes:
    def sizes(candidate: Candidate) -> list[float]:
        plan = forecaster.plan(candidate)
        return [value for o in objectives if (value := o.predict(plan)) is not None]

    return sizes


def _evaluator(
    record: StudyRecord,
    dataset: "Dataset",
    pruners: Sequence[Pruner],
    objectives: Sequence[Objective],
    workers: WorkerCount,
    device: Device | None,
) -> Evaluate:
    from .evaluation import EvaluationConfig, Evaluator  # imports torch

    settings = record.settings
    stored = TypeAdapter(EvaluationConfig | None).validate_python(settings["config"])
    config = training_config(dataset, stored, device, workers)
    return Evaluator(
        dataset.without_test(),
        record.space,
        tuple(pruners),
        tuple(objectives),
        config,
        record.folder,
        settings["seed"],
    )
