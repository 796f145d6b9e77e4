"""Candidates per hour on MNIST with and without inherited weights and early stopping.

Four short studies with the same seed and limits. A study is continued where it ended, and one that
is complete is only read, so that this can be interrupted. An hour is one of evaluating and
proposing on one core, as the studies recorded it; images per second and the number of epochs that
were trained tell where it went. The hypervolume of each front (error at most 0.2, sizes at most the
limits, 1 is everything) tells whether the front suffers.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from objectives import DEFAULT_OBJECTIVES
from sparse_search.api import defaults
from sparse_search.candidate import Candidate, Evaluation, History, Rejection
from sparse_search.dataset import Dataset, load_dataset
from sparse_search.forecast import Forecaster
from sparse_search.interfaces import Strategy
from sparse_search.pareto import hypervolume, objective_values
from sparse_search.record import StudyRecord
from sparse_search.search.strategies import STRATEGIES
from sparse_search.space import SearchSpace
from sparse_search.study import Study
from sparse_search.target import Limits

from .provenance import write_results

LIMITS = Limits(ram_bytes=4096, model_bytes=8192)
WORST_ERROR = 0.2
TRAINING_IMAGES = 20_000
VARIANTS = {
    "neither": (False, False),
    "inheritance": (True, False),
    "early stopping": (False, True),
    "both": (True, True),
}


@dataclass(frozen=True)
class FromScratch:
    """A strategy whose candidates inherit no weights."""

    strategy: Strategy

    @property
    def name(self) -> str:
        """Unlike that of the strategy, because a study records it."""
        return f"{self.strategy.name}-from-scratch"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """What the strategy proposes, without a parent."""
        return replace(self.strategy.propose(history, candidate_id, generator), parent=None)


def make_study(dataset: Dataset, variant: str, seed: int, folder: Path) -> Study:
    """A study of one variant, without a final phase."""
    inherits, stops = VARIANTS[variant]
    parts = defaults()
    space = SearchSpace(dataset.input_shape, dataset.class_count)
    strategy: Strategy = STRATEGIES["sparse"](
        space=space,
        morphisms=parts["morphisms"],
        forecaster=Forecaster(space, parts["pruners"]),
        objectives=parts["objectives"],
        limits=LIMITS,
    )
    return Study(
        dataset=dataset,
        space=space,
        limits=LIMITS,
        strategy=strategy if inherits else FromScratch(strategy),
        out=folder,
        seed=seed,
        final_models=0,
        early_stopping=stops,
        **parts,
    )


def summarize(record: StudyRecord, variant: str, seed: int) -> dict[str, str | float]:
    """A row of the table."""
    outcomes = record.history().outcomes
    evaluations = [o for o in outcomes if isinstance(o, Evaluation)]
    seconds = sum(o.seconds for o in outcomes) + sum(record.proposal_seconds().values())
    names = [objective.name for objective in DEFAULT_OBJECTIVES]
    values = objective_values(evaluations, names)
    reference = np.array([WORST_ERROR, *LIMITS.by_figure.values()])
    return {
        "variant": variant,
        "seed": seed,
        "candidates": len(outcomes),
        "stopped": sum(isinstance(o, Rejection) and o.kind == "stopped" for o in outcomes),
        "dense_epochs": sum(len(o.curve) for o in outcomes),
        "seconds": round(seconds, 1),
        "candidates_per_hour": round(3600 * len(outcomes) / seconds, 1),
        "least_error": min(e.objectives[names[0]] for e in evaluations),
        "hypervolume": round(hypervolume(values / reference, np.ones(len(names))), 4),
    }


def measure_candidates(arguments: argparse.Namespace) -> None:
    """Runs or continues the studies and writes the table."""
    torch.set_num_threads(1)
    whole = load_dataset("mnist", data_dir=arguments.data_dir, seed=0).without_test()
    part = replace(
        whole.train,
        images=whole.train.images[:TRAINING_IMAGES],
        labels=whole.train.labels[:TRAINING_IMAGES],
    )
    dataset = replace(whole, train=part)
    rows = []
    for variant in VARIANTS:
        folder = arguments.out / variant.replace(" ", "-")
        study = make_study(dataset, variant, 0, folder)
        study.run(arguments.candidates)
        rows.append(summarize(study.record, variant, 0))
        print(json.dumps(rows[-1]), flush=True)
    facts = {
        "command": "python -m experiments.bench_training --candidates-per-hour --data-dir DATA",
        "seed": 0,
        "training_images": TRAINING_IMAGES,
        "limits": LIMITS.by_figure,
        "worst_error": WORST_ERROR,
    }
    write_results(arguments, "bench_candidates", rows, facts)
