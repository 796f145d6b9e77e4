"""Seconds per proposal: ours, BoTorch's plain Gaussian processes, Optuna's GPSampler.

    python -m experiments.bench_proposal --results experiments/results

All three propose the next candidate of the same search: random candidates of the default MNIST
space within 2 KB of RAM and 2 KB of flash, of which 50, 200, 500 or 1000 are recorded. Nothing is
trained: errors come from ``made_up_error``, sizes are exact.

- sparse: all of ``SparseStrategy.propose`` with its defaults: conditioning, a pool of 1000
  feasible morphs, their plans, the choice. "sparse-refit" is the same where the schedule asks for
  new hyper-parameters, which is so once in as many proposals as a fifth of what is recorded.
- botorch: ``SingleTaskGP`` for each of the three objectives, fitted from scratch to the same
  encoding, and qLogEHVI on a pool of 1000 encoded candidates. The pool is given and not counted.
- optuna-gp: ``GPSampler`` asked for one candidate; it is told every parameter of every candidate.

Seconds are those of the processor, one thread, so that other work on the machine changes little.
"""

import argparse
import gc
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Evaluation, History
from sparse_search.evaluation import plan_metrics
from sparse_search.forecast import Forecaster
from sparse_search.memory import MemoryPlan
from sparse_search.search.feasible import Sieve
from sparse_search.search.features import capacity, featurize
from sparse_search.search.gpytorch_pieces import (
    ExactMarginalLogLikelihood,
    SingleTaskGP,
    fit_gpytorch_mll_scipy,
)
from sparse_search.search.refits import fit_sizes
from sparse_search.search.sparse import SparseStrategy
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

from .peers import suggest_candidate
from .provenance import add_arguments, write_results

SPACE = SearchSpace((28, 28, 1), 10)
LIMITS = Limits(2048, 2048)
RECORDED = (50, 200, 500, 1000)
NAMES = [objective.name for objective in DEFAULT_OBJECTIVES]
_POOL, _SAMPLES, _AT_ONCE = 1000, 32, 100
_REPETITIONS = {"sparse": 5, "sparse-refit": 1, "botorch": 1, "optuna-gp": 1}


def made_up_error(plan: MemoryPlan, generator: np.random.Generator) -> float:
    """An error that falls with capacity, with noise: logit = 2 - 0.35 (capacity - 8) ± 0.25."""
    logit = 2.0 - 0.35 * (capacity(plan) - 8.0) + 0.25 * generator.standard_normal()
    return float(np.clip(1.0 / (1.0 + np.exp(-logit)), 0.005, 0.9))


def draw_history(count: int) -> tuple[list[Evaluation], optuna.Study]:
    """Random feasible candidates as Optuna spells them, and the study that was told of them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["minimize"] * len(NAMES), sampler=sampler)
    forecaster, generator = Forecaster(SPACE, PRUNERS), np.random.default_rng(0)
    sieve, found = Sieve(forecaster, LIMITS), list[Evaluation]()
    while len(found) < count:
        trial = study.ask()
        candidate = suggest_candidate(trial, SPACE, len(found), conditional=False)
        forecast = sieve.admit(candidate) if candidate is not None else None
        if forecast is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        plan = forecast.plan
        values = [made_up_error(plan, generator), float(plan.flash_bytes), float(plan.arena_bytes)]
        study.tell(trial, values)
        objectives = dict(zip(NAMES, values, strict=True))
        found.append(Evaluation(forecast.candidate, objectives, plan_metrics(plan)))
    return found, study


def time_sparse(evaluations: Sequence[Evaluation], repetitions: int) -> list[float]:
    """Proposals after these evaluations, by a strategy that has made one before."""
    forecaster = Forecaster(SPACE, PRUNERS)
    strategy = SparseStrategy(SPACE, MORPHISMS, forecaster, DEFAULT_OBJECTIVES, LIMITS)
    history, count = History(evaluations), len(evaluations)

    def propose(seed: int) -> None:
        strategy.propose(history, count, np.random.default_rng([seed, count]))

    propose(0)
    return [_seconds(partial(propose, seed)) for seed in range(1, repetitions + 1)]


def time_refit(evaluations: Sequence[Evaluation]) -> list[float]:
    """The proposal at the last size of the schedule, by a strategy that has made those before."""
    size = list(fit_sizes(len(evaluations)))[-1]
    forecaster = Forecaster(SPACE, PRUNERS)
    strategy = SparseStrategy(SPACE, MORPHISMS, forecaster, DEFAULT_OBJECTIVES, LIMITS)
    for count in (size - 2, size - 1):
        strategy.propose(History(evaluations[:count]), count, np.random.default_rng(count))
    generator = np.random.default_rng(size)
    return [_seconds(lambda: strategy.propose(History(evaluations[:size]), size, generator))]


def time_botorch(evaluations: Sequence[Evaluation], pool: NDArray[np.float64]) -> list[float]:
    """Three fits and the acquisition on a given pool of encodings [m, d]."""
    from botorch.acquisition.multi_objective.logei import qLogExpectedHypervolumeImprovement
    from botorch.models import ModelListGP
    from botorch.sampling import SobolQMCNormalSampler
    from botorch.utils.multi_objective.box_decompositions.non_dominated import (
        FastNondominatedPartitioning,
    )

    points = encode(evaluations)
    varied = np.ptp(points, axis=0) > 0
    x, candidates = torch.from_numpy(points[:, varied]), torch.from_numpy(pool[:, varied])
    measured = np.array([[e.objectives[name] for name in NAMES] for e in evaluations])
    reference = np.array([0.9, 2048.0, 2048.0])
    y = torch.from_numpy(-measured / reference)  # BoTorch maximises.

    def propose() -> None:
        models = []
        for column in range(y.shape[1]):
            model = SingleTaskGP(x, y[:, [column]])
            fit_gpytorch_mll_scipy(ExactMarginalLogLikelihood(model.likelihood, model))
            models.append(model.eval())
        corner = torch.full((y.shape[1],), -1.0, dtype=torch.float64)
        acquisition = qLogExpectedHypervolumeImprovement(
            model=ModelListGP(*models),
            ref_point=corner,
            partitioning=FastNondominatedPartitioning(ref_point=corner, Y=y),
            sampler=SobolQMCNormalSampler(torch.Size([_SAMPLES]), seed=0),
        )
        with torch.no_grad():
            for start in range(0, len(candidates), _AT_ONCE):
                acquisition(candidates[start : start + _AT_ONCE, None])

    return [_seconds(propose)]


def time_optuna(study: optuna.Study, recorded: int, repetitions: int) -> list[float]:
    """Asks a ``GPSampler`` that has been told the first candidates."""
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))[:recorded]
    found = []
    for seed in range(repetitions):
        sampler = optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        asked = optuna.create_study(directions=["minimize"] * len(NAMES), sampler=sampler)
        asked.add_trials(complete)
        found.append(_seconds(partial(_ask, asked)))
    return found


def _ask(study: optuna.Study) -> None:
    suggest_candidate(study.ask(), SPACE, 0, conditional=False)


def encode(evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
    """Values and activities [n, 2d] of what was evaluated."""
    forecaster = Forecaster(SPACE, PRUNERS)
    candidates = [evaluation.candidate for evaluation in evaluations]
    plans = [forecaster.plan(candidate) for candidate in candidates]
    return np.concatenate(featurize(SPACE, candidates, plans), axis=1, dtype=np.float64)


def _seconds(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def measure(recorded: Sequence[int], methods: Sequence[str]) -> dict[tuple[str, int], float]:
    """Median seconds by method and number of recorded candidates."""
    drawn, study = draw_history(max(recorded) + _POOL)
    evaluations = [replace(e, candidate=replace(e.candidate, id=i)) for i, e in enumerate(drawn)]
    pool = encode(evaluations[-_POOL:])
    gc.collect()
    gc.freeze()  # What the benchmark holds is not for the methods to walk through.
    found = {}
    for count in recorded:
        first = evaluations[:count]
        for method in methods:
            repetitions = _REPETITIONS[method]
            if method == "sparse":
                seconds = time_sparse(first, repetitions)
            elif method == "sparse-refit":
                seconds = time_refit(first)
            elif method == "botorch":
                seconds = time_botorch(first, pool)
            else:
                seconds = time_optuna(study, count, repetitions)
            found[method, count] = median(seconds)
            print(f"{method:14}{count:6}{found[method, count]:9.3f} s", flush=True)
    return found


def growth(seconds: dict[tuple[str, int], float], method: str) -> float | None:
    """Exponent p of seconds ~ recorded^p from fewest to most recorded; None of one number."""
    counts = sorted(count for name, count in seconds if name == method)
    if len(counts) < 2:
        return None
    ratio = seconds[method, counts[-1]] / seconds[method, counts[0]]
    return round(float(np.log(ratio) / np.log(counts[-1] / counts[0])), 2)


def main() -> None:
    """Measures, and writes the table and its sidecar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recorded", type=int, nargs="+", default=RECORDED)
    parser.add_argument("--methods", nargs="+", choices=_REPETITIONS, default=list(_REPETITIONS))
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="optuna")
    warnings.filterwarnings("ignore", module="botorch")
    seconds = measure(arguments.recorded, arguments.methods)
    rows = [
        {"method": method, "recorded": recorded, "seconds": f"{value:.3f}"}
        for (method, recorded), value in seconds.items()
    ]
    facts = {
        "command": "python -m experiments.bench_proposal",
        "seed": 0,
        "optuna": optuna.__version__,
        "seconds": "of the processor, one thread; medians of several proposals",
        "repetitions": {method: _REPETITIONS[method] for method in arguments.methods},
        "exponent_of_growth": {method: growth(seconds, method) for method in arguments.methods},
    }
    write_results(arguments, "bench_proposal", rows, facts)


if __name__ == "__main__":
    main()
