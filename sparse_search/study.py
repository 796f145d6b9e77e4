"""Study: the loop. Asks a strategy for candidates, has them evaluated, records what comes back.

A study lives in a folder and may be stopped at any moment: a candidate is recorded before it is
evaluated, its outcome right after. ``run`` continues where the record ends. What candidate i is
proposed with, and what its evaluation draws, depends on the study's seed and on i alone, so with
one worker a study that was killed and continued has the history of one that was not.

First comes the search, then the final phase (``finals``), whose candidates no strategy sees.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .candidate import Candidate, Evaluation, History
from .errors import InfeasibleError, StudyError
from .finals import FIRST_FINAL_ID, plan_finals, search_history
from .forecast import Forecaster
from .interfaces import Morphism, Objective, Pruner, Strategy
from .journal import Journal, lock_study
from .pareto import ParetoFront
from .phases import Observer, Phase, PhaseStarted
from .record import DATABASE, StudyRecord
from .space import SearchSpace
from .stopping import ERROR, error_to_beat
from .study_settings import check_settings, study_settings, training_config
from .target import Limits
from .warm_start import Start, fit_start, start_settings, stored_start
from .workers import Device, Evaluate, WorkerCount, open_workers

if TYPE_CHECKING:
    from .dataset import Dataset
    from .evaluation import EvaluationConfig
    from .quantized import QuantizedModel

_LOG = logging.getLogger(__name__)


class Study:
    """A search over one data set, with its folder.

    Args:
        dataset: What networks learn; the search never opens its test split.
        space: What may be proposed.
        objectives: What is minimised.
        out: The run's folder; created, or continued if it holds a study with equal settings. One
            without candidates is replaced.
        morphisms: How candidates are derived from earlier ones.
        pruners: Pruning methods that the space names.
        limits: What a model must keep; a candidate that is predicted not to is never trained.
        config: How candidates are trained; None for the defaults.
        strategy: "sparse", "random", "evolution" or "ehvi", or an object of the ``Strategy``
            protocol.
        strategy_options: Of a strategy given by name, such as ``SparseOptions``; None takes those
            of the study that is in the folder, else the defaults.
        evaluate: Evaluates one candidate; None trains, prunes, quantizes and measures it.
        seed: Of everything random in the study.
        workers: Processes that evaluate; 0 evaluates in this one. More than 0 needs a script with
            an ``if __name__ == "__main__":`` guard. "ray" evaluates on a running Ray cluster.
        final_models: How many models of the search's front get the longer final training.
        start: Networks that are the first candidates, narrowed where they break the limits; None
            takes those of the study that is in the folder, else the strategy's own, random ones.
        early_stopping: Whether a training ends once a model that is no larger is clearly better.
        device: Where networks are trained, "cpu" or "cuda"; None leaves it to ``config``. All
            workers share a GPU.

    Raises:
        StudyError: The folder holds a study with other settings, or a damaged one; or the search
            cannot begin with ``start``.
    """

    def __init__(
        self,
        *,
        dataset: "Dataset",
        space: SearchSpace,
        objectives: Sequence[Objective],
        out: str | Path,
        morphisms: Sequence[Morphism] = (),
        pruners: Sequence[Pruner] = (),
        limits: Limits | None = None,
        config: "EvaluationConfig | None" = None,
        strategy: str | Strategy = "sparse",
        strategy_options: object | None = None,
        evaluate: Evaluate | None = None,
        seed: int = 0,
        workers: WorkerCount = 0,
        final_models: int = 6,
        start: Start | None = None,
        early_stopping: bool = True,
        device: Device | None = None,
    ) -> None:
        if seed < 0:
            raise StudyError(f"expected a seed of 0 or more, got {seed}")
        self._dataset = dataset
        self._space = space
        self._objectives = tuple(objectives)
        self._limits = limits or Limits()
        self._seed = seed
        self._workers = workers
        self._final_models = final_models
        self._early_stopping = early_stopping
        self._forecaster = Forecaster(space, pruners)
        self._start = (
            stored_start(_stored_settings(Path(out) / DATABASE))
            if start is None
            else fit_start(start, self._forecaster, self._limits)
        )
        if isinstance(strategy, str):
            strategy_options = strategy_options or _stored_options(Path(out) / DATABASE, strategy)
            strategy = self._named_strategy(strategy, morphisms, strategy_options)
        self._strategy = strategy
        if evaluate is None:
            config = training_config(dataset, config, device, workers)
            evaluate = self._evaluator(pruners, config, Path(out))
        self._evaluate = evaluate
        values = {
            "space": space,
            "limits": self._limits,
            "config": config,
            "strategy": self._strategy.name,
            "strategy_options": getattr(self._strategy, "options", None),
            "seed": seed,
            "final_models": final_models,
            "early_stopping": early_stopping,
            **start_settings(self._start),
        }
        settings = study_settings(
            dataset=dataset,
            values=values,
            parts={"objectives": objectives, "pruners": pruners, "morphisms": morphisms},
        )
        self._journal = Journal.create(Path(out) / DATABASE, settings)
        self._record = StudyRecord(Path(out), self._journal)
        self._settings = settings
        self._check_settings()

    def _evaluator(
        self, pruners: Sequence[Pruner], config: "EvaluationConfig", folder: Path
    ) -> Evaluate:
        from .evaluation import Evaluator  # imports torch

        data = self._dataset.without_test()
        return Evaluator(
            data, self._space, tuple(pruners), self._objectives, config, folder, self._seed
        )

    def _named_strategy(
        self, strategy: str, morphisms: Sequence[Morphism], options: object | None
    ) -> Strategy:
        from .search.strategies import STRATEGIES

        if strategy not in STRATEGIES:
            raise StudyError(f"expected a strategy among {', '.join(STRATEGIES)}, got {strategy!r}")
        return STRATEGIES[strategy](
            space=self._space,
            morphisms=morphisms,
            forecaster=self._forecaster,
            objectives=self._objectives,
            limits=self._limits,
            **({} if options is None else {"options": options}),
        )

    @property
    def record(self) -> StudyRecord:
        """What the folder holds, for reports and exports."""
        return self._record

    def run(self, candidates: int, observer: Observer = lambda event: None) -> int:
        """Searches until the study has ``candidates`` candidates, then trains the final models.

        May be interrupted and called again; the number is the total, whatever exists already.

        Args:
            candidates: Search candidates in all, rejected ones included.
            observer: Called with each ``Event``.

        Returns:
            How many outcomes were recorded by this call; 0 if the study was complete.

        Raises:
            StudyLockedError: Another process is running the study.
            StudyError: Evaluations fail one after another, or workers cannot start.
            InfeasibleError: Nothing in the space fits the limits.
            KeyboardInterrupt: Passed on; the study can be continued.
        """
        if not 1 <= candidates < FIRST_FINAL_ID:
            raise StudyError(f"expected 1 to {FIRST_FINAL_ID - 1} candidates, got {candidates}")
        with (
            open_workers(self._workers, self._evaluate) as workers,
            lock_study(self._record.folder),
        ):
            self._check_settings()  # Until there is a candidate, another call may replace them.
            phase = Phase(self._journal, self._forecaster, self._limits, workers, observer)
            return self._search(candidates, phase) + self._finish(phase)

    def _check_settings(self) -> None:
        check_settings(self._record.folder, self._journal.settings(), self._settings)

    def front(self) -> ParetoFront:
        """Pareto-optimal models that keep the limits: searched, trained longer, pruned further."""
        return self._record.front()

    def load_model(self, candidate_id: int) -> "QuantizedModel":
        """The pruned int8 model of an evaluated candidate."""
        return self._record.load_model(candidate_id)

    def measure_test(self) -> dict[int, float]:
        """Test error (fraction) of the front's integer models by candidate id; measured once."""
        return self._record.measure_test(self._dataset)

    def _search(self, total: int, phase: Phase) -> int:
        history = search_history(self._journal.history())
        done = len(history.outcomes)
        phase.observer(PhaseStarted("search", max(total, len(history.candidates)), done))
        candidates = self._search_candidates(total)
        return phase.run(lambda: next(candidates, None))

    def _finish(self, phase: Phase) -> int:
        history = self._journal.history()
        pending = [c for c in history.pending if c.effort == "final"]
        done = sum(outcome.candidate.effort == "final" for outcome in history.outcomes)
        planned = plan_finals(
            history,
            self._front_by_error(),
            self._space,
            lambda candidate: not self._forecaster.violations(candidate, self._limits),
            self._final_models,
        )
        phase.observer(PhaseStarted("final", done + len(pending) + len(planned), done))
        candidates = chain(pending, map(self._recorded, planned))
        return phase.run(lambda: next(candidates, None))

    def _front_by_error(self) -> list[Evaluation]:
        """The search's front by ascending error: by what no memory plan tells beforehand."""
        front = self._record.search_front().evaluations
        if not front:
            return []
        plan = self._forecaster.plan(front[0].candidate)
        errors = [o.name for o in self._objectives if o.predict(plan) is None]
        return sorted(front, key=lambda e: (*map(e.objectives.__getitem__, errors), e.candidate.id))

    def _search_candidates(self, total: int) -> Iterator[Candidate]:
        """Candidates without an outcome, then new ones, each proposed when it is asked for."""
        yield from search_history(self._journal.history()).pending
        while True:
            started = time.perf_counter()
            history = search_history(self._journal.history())
            if len(history.candidates) >= total:
                return
            try:
                candidate = self._propose(history)
            except InfeasibleError as error:
                if not history.evaluations and not history.pending:
                    raise
                _LOG.warning("the search ends early: %s", error)
                return
            self._journal.propose(candidate, time.perf_counter() - started)
            yield candidate

    def _propose(self, history: History) -> Candidate:
        candidate_id = len(history.candidates)
        generator = np.random.default_rng(np.random.SeedSequence([self._seed, candidate_id, 0]))
        if candidate_id < len(self._start):
            candidate = self._start[candidate_id]
        else:
            candidate = self._strategy.propose(history, candidate_id, generator)
        if candidate.id != candidate_id or not candidate.searching:
            raise StudyError(
                f"expected strategy {self._strategy.name!r} to propose search candidate "
                f"{candidate_id}, got {candidate}; keep the id that it is given"
            )
        return replace(candidate, error_to_beat=self._error_to_beat(candidate, history))

    def _error_to_beat(self, candidate: Candidate, history: History) -> float | None:
        """What a training of this candidate is judged by; None if it is never stopped."""
        plan = self._forecaster.plan(candidate)
        predicted = {o.name: o.predict(plan) for o in self._objectives}
        exact = {name: value for name, value in predicted.items() if value is not None}
        # A training tells the error. What else has to be measured may make up for a large one.
        if not self._early_stopping or set(predicted) - set(exact) != {ERROR}:
            return None
        return error_to_beat(exact, history.evaluations)

    def _recorded(self, candidate: Candidate) -> Candidate:
        self._journal.propose(candidate)
        return candidate


def _stored_options(database: Path, strategy: str) -> object | None:
    """Options of the study in the file, if there is one and it has this strategy."""
    settings = _stored_settings(database)
    if not settings:
        return None
    from .search.strategies import stored_options  # imports torch

    options: object | None = stored_options(settings, strategy)
    return options


def _stored_settings(database: Path) -> Mapping[str, Any]:
    """Settings of the study in the file; empty if there is none, or none that has begun."""
    try:
        return Journal.open(database).settings() if Journal.begun(database) else {}
    except StudyError:
        return {}  # What is wrong with the file is said where the journal is opened to be used.
