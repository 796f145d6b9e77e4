"""What the strategies are compared on: replay tables, and live searches.

    replay-digits  the table of digits; at most 2 KB of flash and 512 B of RAM
    replay-mnist   the table of MNIST; at most 8 KB of flash and 2 KB of RAM
    live-digits    digits, the whole default space with pruning and recipes; at most 4 KB of each

The reference point of the hypervolume is the limits and the stated error.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from morphisms import MORPHISMS
from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, Outcome
from sparse_search.dataset import load_dataset
from sparse_search.evaluation import EvaluationConfig, Evaluator
from sparse_search.forecast import Forecaster
from sparse_search.interfaces import Strategy
from sparse_search.pareto import hypervolume
from sparse_search.search.strategies import STRATEGIES
from sparse_search.space import SearchSpace
from sparse_search.target import Limits
from sparse_search.training import TrainingConfig

from .replay import OBJECTIVES, ReplayTable

LIVE_CONFIG = EvaluationConfig(
    TrainingConfig(epochs=8, batch_size=64),
    inherited_epochs=5,
    fine_tuning_epochs=3,
    calibration_images=256,
)
"""Short trainings, so that an evaluation takes about a second."""


@dataclass(frozen=True)
class Setting:
    """One comparison.

    Attributes:
        mode: Its name.
        space: What is searched.
        limits: What a model must keep.
        error: Error at the reference point.
        table: Where evaluations are looked up; None trains.
    """

    mode: str
    space: SearchSpace
    limits: Limits
    error: float
    table: ReplayTable | None = None

    def forecaster(self) -> Forecaster:
        """Predicts sizes; a fresh one for each search."""
        return Forecaster(self.space, PRUNERS)

    def strategy(self, name: str) -> Strategy:
        """A strategy of ours."""
        return STRATEGIES[name](
            space=self.space,
            morphisms=MORPHISMS,
            forecaster=self.forecaster(),
            objectives=DEFAULT_OBJECTIVES,
            limits=self.limits,
        )

    @contextmanager
    def evaluator(self, seed: int) -> Iterator[Callable[[Candidate], Outcome]]:
        """What evaluates the candidates of the search with this seed."""
        if self.table is not None:
            table = self.table
            yield lambda candidate: table.evaluate(candidate, seed)
            return
        with tempfile.TemporaryDirectory() as folder:
            dataset = load_dataset("digits", seed=0).without_test()
            yield Evaluator(
                dataset=dataset,
                space=self.space,
                pruners=tuple(PRUNERS),
                objectives=DEFAULT_OBJECTIVES,
                config=LIVE_CONFIG,
                folder=Path(folder),
                seed=seed,
            )

    def judge(self, evaluation: Evaluation) -> list[float]:
        """The objectives that count: means of a table, or what was measured."""
        if self.table is not None:
            return list(self.table.mean_objectives(evaluation.candidate))
        return [evaluation.objectives[name] for name in OBJECTIVES]

    @property
    def reference(self) -> NDArray[np.float64]:
        """Reference point [3] of the hypervolume."""
        bounds = self.limits.by_figure
        return np.array([self.error, *(bounds[name] for name in OBJECTIVES[1:])])

    def hypervolume(self, judged: NDArray[np.float64]) -> float:
        """Normalised hypervolume of judged objectives [n, 3]."""
        return self._volume(judged) / self._largest

    def _volume(self, values: NDArray[np.float64]) -> float:
        kept = values[(values[:, 1:] <= self.reference[1:]).all(axis=1)]
        return hypervolume(kept / self.reference, np.ones(3))

    @cached_property
    def _largest(self) -> float:
        """What all networks of the table dominate; the whole box where there is none."""
        return 1.0 if self.table is None else self._volume(self.table.values)


def _replay(mode: str, limits: Limits, error: float) -> Callable[[Path], Setting]:
    def load(tables: Path) -> Setting:
        table = ReplayTable.load(tables / f"{mode.removeprefix('replay-')}.json.gz")
        return Setting(mode, table.space, limits, error, table)

    return load


def _live(tables: Path) -> Setting:
    space = SearchSpace((8, 8, 1), 10)
    return Setting("live-digits", space, Limits(4096, 4096), 0.5)


SETTINGS: Mapping[str, Callable[[Path], Setting]] = MappingProxyType(
    {
        "replay-digits": _replay("replay-digits", Limits(512, 2048), 0.5),
        "replay-mnist": _replay("replay-mnist", Limits(2048, 8192), 0.5),
        "live-digits": _live,
    }
)
