"""Run folders for tests of reports: real models and plans, made-up errors, nothing trained."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from random_models import random_model

from sparse_search.candidate import Candidate, Evaluation, Outcome, PruningStep, Rejection
from sparse_search.deploy import Certificate, Figure
from sparse_search.deploy.certificate import store_certificate
from sparse_search.evaluation import model_path, plan_metrics
from sparse_search.finals import FIRST_FINAL_ID
from sparse_search.journal import Journal
from sparse_search.memory import plan_memory
from sparse_search.pareto import meets
from sparse_search.record import DATABASE, EXPORTS, StudyRecord
from sparse_search.space import PruningRange, SearchSpace
from sparse_search.study_settings import to_json_value
from sparse_search.target import Limits

SPACE = SearchSpace((12, 12, 1), 4, pruning=(PruningRange("magnitude", 0.9),))
OBJECTIVES = ("val_error", "flash_bytes", "arena_bytes")
PRUNED_FROM = 200_000
MOST_BYTES = 6000
PAGE_LIMITS = Limits(4096, 4096)
NASTY_NAME = '</script><img src="http://localhost/x" onerror="document.title=1"> & $style'
"""What a person may call a data set, if only to see what happens."""

INSTRUCTIONS = 40_000
"""Of an inference of a certified model on an emulated m4, less the candidate's id."""


@dataclass(frozen=True)
class MadeRun:
    """A run folder under construction."""

    folder: Path
    journal: Journal

    def add(self, candidate: Candidate, error: float) -> Evaluation:
        """A candidate whose model has random weights, as many of them zero as it asks for."""
        rng = np.random.default_rng(candidate.id)
        sparsity = candidate.pruning[-1].sparsity if candidate.pruning else 0.0
        model = random_model(rng, SPACE.build(candidate.architecture), sparsity, narrow=True)
        path = model_path(self.folder, candidate.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        figures = plan_metrics(plan_memory(model))
        objectives = {"val_error": error} | {name: figures[name] for name in OBJECTIVES[1:]}
        curve = tuple(min(0.75, error + 0.4 / (epoch + 1)) for epoch in range(6))
        metrics = {"float_val_error": error, **figures}
        evaluation = Evaluation(candidate, objectives, metrics, curve, 1.0)
        self.record(evaluation)
        return evaluation

    def record(self, outcome: Outcome) -> None:
        """Proposes and records."""
        self.journal.propose(outcome.candidate, 0.1)
        self.journal.record(outcome)


def empty_run(folder: Path, *, limits: Limits | None = None, name: str = "shapes") -> MadeRun:
    """A run that has begun and measured nothing."""
    settings: dict[str, Any] = {
        "version": "0.1.0",
        "dataset": {"name": name, "source": name, "fingerprint": "0123456789ab"},
        "space": to_json_value(SPACE),
        "limits": to_json_value(limits or Limits()),
        "strategy": "random",
        "seed": 0,
        "objectives": list(OBJECTIVES),
    }
    return MadeRun(folder, Journal.create(folder / DATABASE, settings))


def made_run(
    folder: Path, *, count: int = 24, limits: Limits | None = None, name: str = "shapes"
) -> StudyRecord:
    """A run of ``count`` searched models, two longer trainings, a pruned model and a rejection."""
    run = empty_run(folder, limits=limits, name=name)
    rng = np.random.default_rng(0)
    found: list[Evaluation] = []
    for number in range(count):
        parent = found[rng.integers(len(found))] if number > 4 and rng.random() < 0.7 else None
        found.append(run.add(_candidate(number, parent, rng), _error(number)))
    run.record(Rejection(_candidate(count, None, rng), "stopped", "a smaller model is better"))
    best = sorted(found, key=lambda e: e.objectives["val_error"])[:2]
    for index, evaluation in enumerate(best):
        final = replace(
            evaluation.candidate,
            id=FIRST_FINAL_ID + index,
            parent=evaluation.candidate.id,
            morphisms=(),
            effort="final",
        )
        run.add(final, 0.8 * evaluation.objectives["val_error"])
    step = replace(
        best[0].candidate,
        id=PRUNED_FROM,
        pruning=(PruningStep("magnitude", 0.8),),
        effort="pruned",
        morphisms=(),
        pruned_from=FIRST_FINAL_ID,
    )
    run.add(step, 1.1 * best[0].objectives["val_error"])
    record = StudyRecord.open(folder)
    for evaluation in record.front().evaluations:
        number = evaluation.candidate.id
        run.journal.measure(number, "test_error", 1.05 * evaluation.objectives["val_error"])
        _certify(record, number)
    return record


def _candidate(number: int, parent: Evaluation | None, rng: np.random.Generator) -> Candidate:
    while True:
        architecture = SPACE.sample(rng)
        plan = plan_memory(SPACE.build(architecture))
        if plan.flash_bytes < MOST_BYTES and plan.arena_bytes < MOST_BYTES:
            break
    sparsity = float(rng.choice([0.0, 0.5, 0.8]))
    pruning = (PruningStep("magnitude", sparsity),) if sparsity else ()
    if parent is None:
        return Candidate(number, architecture, pruning)
    origin = parent.candidate.id
    names = ("widen", "set_kernel")
    return Candidate(number, architecture, pruning, origin="morph", parent=origin, morphisms=names)


def _error(number: int) -> float:
    return float(f"{0.02 + 0.6 * np.random.default_rng([1, number]).random() ** 3:.7g}")


def _certify(record: StudyRecord, number: int) -> None:
    """An export as far as reports look at it: a folder with certificates of host and m4."""
    folder = record.folder / EXPORTS / str(number)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({}))
    arena = int(plan_memory(record.load_model(number)).arena_bytes)
    host = Certificate(
        "0" * 12, "host", "cc", ("-std=c99",), 50, 50, 40, arena, arena, False, False, (), None
    )
    work = Figure("instructions", "", None, INSTRUCTIONS + number)
    store_certificate(folder, host)
    store_certificate(folder, replace(host, core="m4", images=4, identical=4, figures=(work,)))


def nearest_misfit(evaluations: list[Evaluation], limits: Limits) -> Evaluation | None:
    """The misfit with the least worst ratio; more accurate than what fits, if one is."""
    fitting = [e for e in evaluations if meets(e, limits)]
    misfits = [e for e in evaluations if not meets(e, limits)]
    least = min((e.objectives["val_error"] for e in fitting), default=float("inf"))
    better = [e for e in misfits if e.objectives["val_error"] < least]

    def excess(e: Evaluation) -> tuple[float, float, int]:
        ratio = max(e.metrics[name] / bound for name, bound in limits.by_figure.items())
        return ratio, e.objectives["val_error"], e.candidate.id

    return min(better or misfits, key=excess, default=None)
