"""StudyRecord: what a run's folder holds, for reports and exports.

Reading needs neither the data set nor the objects that the study was made of, and works while
another process is running the study. The test split is opened in one place, ``measure_test``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from .candidate import Evaluation, History
from .errors import StudyError
from .finals import search_history
from .journal import PROPOSAL_SECONDS, Journal
from .pareto import ParetoFront
from .space import SearchSpace
from .target import Limits

if TYPE_CHECKING:
    from .dataset import Dataset
    from .quantized import QuantizedModel

DATABASE = "study.db"
EXPORTS = "exports"
"""Folder of a run with one export per model, named by candidate."""

_TEST_ERROR = "test_error"


@dataclass(frozen=True)
class StudyRecord:
    """A study as it is on disk.

    Attributes:
        folder: The run's folder.
        journal: Its journal.
    """

    folder: Path
    journal: Journal

    @staticmethod
    def open(folder: str | Path) -> "StudyRecord":
        """The record of an existing run.

        Raises:
            StudyError: The folder holds no study, or a damaged one.
        """
        return StudyRecord(Path(folder), Journal.open(Path(folder) / DATABASE))

    @property
    def settings(self) -> dict[str, Any]:
        """What the study was created with, as JSON values."""
        return self.journal.settings()

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives, the error first."""
        return tuple(self.settings["objectives"])

    @property
    def limits(self) -> Limits:
        """What the study's models must keep."""
        return TypeAdapter(Limits).validate_python(self.settings["limits"])

    @property
    def space(self) -> SearchSpace:
        """What the study may propose."""
        return TypeAdapter(SearchSpace).validate_python(self.settings["space"])

    def history(self) -> History:
        """Every outcome so far, of all phases, and what is being evaluated."""
        return self.journal.history()

    def search_front(self) -> ParetoFront:
        """Pareto-optimal evaluations of the search that keep the limits."""
        return self._front(search_history(self.history()).evaluations)

    def front(self) -> ParetoFront:
        """Pareto-optimal models that keep the limits: searched, trained longer, pruned further."""
        return self._front(self.history().evaluations)

    def front_before_pruning(self) -> ParetoFront:
        """The same without the models that were pruned further: what ``run`` alone has found."""
        evaluations = self.history().evaluations
        return self._front([e for e in evaluations if e.candidate.effort != "pruned"])

    def load_model(self, candidate_id: int) -> "QuantizedModel":
        """The pruned int8 model of an evaluated candidate.

        Raises:
            StudyError: The run has no model of that candidate.
        """
        from .evaluation import model_path
        from .quantized import QuantizedModel

        path = model_path(self.folder, candidate_id)
        if not path.is_file():
            ids = [e.candidate.id for e in self.front().evaluations]
            raise StudyError(
                f"expected the model of candidate {candidate_id} at {path}, found none; "
                f"the front has candidates {', '.join(map(str, ids)) or '(none yet)'}"
            )
        return QuantizedModel.load(path)

    def test_errors(self) -> dict[int, float]:
        """Test error (fraction) of the integer models that were measured, by candidate id."""
        return self.journal.measurements(_TEST_ERROR)

    def proposal_seconds(self) -> dict[int, float]:
        """Wall time that proposing took, by id of the search candidate."""
        return self.journal.measurements(PROPOSAL_SECONDS)

    def measure_test(
        self, dataset: "Dataset", progress: Callable[[int, int], None] = lambda done, total: None
    ) -> dict[int, float]:
        """Test error (fraction) of the front's integer models by candidate id; measured once.

        Args:
            dataset: The study's; its test split is opened if a model was not measured before.
            progress: Called with how many models are measured, and of how many.

        Raises:
            StudyError: The dataset is not the study's.
        """
        from .quantized import error_rate

        known = self.test_errors()
        front = [evaluation.candidate.id for evaluation in self.front().evaluations]
        missing = [candidate_id for candidate_id in front if candidate_id not in known]
        if missing:
            self.check_dataset(dataset)
            test = dataset.open_test()
            for done, candidate_id in enumerate(missing):
                progress(done, len(missing))
                error = error_rate(self.load_model(candidate_id), test)
                self.journal.measure(candidate_id, _TEST_ERROR, error)
            progress(len(missing), len(missing))
            known = self.test_errors()
        return {candidate_id: known[candidate_id] for candidate_id in front}

    @property
    def validation_images(self) -> int | None:
        """How many images errors were measured on; None for a run of an earlier version."""
        count: int | None = self.settings["dataset"].get("images", {}).get("validation")
        return count

    def check_dataset(self, dataset: "Dataset") -> None:
        """Makes sure that a data set is the study's.

        Raises:
            StudyError: It is not.
        """
        stored, found = self.settings["dataset"], dataset.fingerprint()
        if found != stored["fingerprint"]:
            raise StudyError(
                f"{self.folder} was made with data set {stored['name']!r} of fingerprint "
                f"{stored['fingerprint']}, got {dataset.name!r} of {found}; load the same data "
                "with the same seed"
            )

    def _front(self, evaluations: list[Evaluation]) -> ParetoFront:
        return ParetoFront.of(evaluations, self.objectives, self.limits)
