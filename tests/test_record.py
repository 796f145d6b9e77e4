"""What a run's folder tells without the objects that made it; the test split is opened once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import study_fakes as fakes
from random_models import random_model

from sparse_search.candidate import Evaluation
from sparse_search.dataset import Dataset, Split
from sparse_search.errors import StudyError
from sparse_search.evaluation import model_path
from sparse_search.finals import FIRST_FINAL_ID
from sparse_search.journal import Journal
from sparse_search.pareto import ParetoFront
from sparse_search.quantized import error_rate
from sparse_search.record import DATABASE, StudyRecord
from sparse_search.study import Study
from sparse_search.target import Limits


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A complete study of fakes, with an int8 model for each evaluation."""
    study = fakes.study(tmp_path, limits=Limits(model_bytes=20_000))
    study.run(6)
    for evaluation in study.record.history().evaluations:
        candidate = evaluation.candidate
        path = model_path(tmp_path, candidate.id)
        path.parent.mkdir(exist_ok=True)
        generator = np.random.default_rng(candidate.id)
        random_model(generator, fakes.SPACE.build(candidate.architecture)).save(path)
    return study


class CountingOpener:
    """Opens the test split and counts how often."""

    def __init__(self, split: Split) -> None:
        self.split, self.count = split, 0

    def __call__(self) -> Split:
        """The split."""
        self.count += 1
        return self.split


def counting(dataset: Dataset) -> tuple[Dataset, CountingOpener]:
    """The same data; counts how often its test split is opened."""
    opener = CountingOpener(dataset.open_test())
    return replace(dataset, test_opener=opener), opener


def test_a_folder_tells_what_the_study_was_made_of(study: Study) -> None:
    """Space and limits come back equal, the rest as JSON values."""
    record = StudyRecord.open(study.record.folder)
    assert record.space == fakes.SPACE
    assert record.limits == Limits(model_bytes=20_000)
    assert record.objectives == ("val_error", "flash_bytes")
    assert record.settings["dataset"]["fingerprint"] == fakes.tiny_dataset().fingerprint()
    assert record.settings["strategy"] == "fake"
    assert record.front() == study.front()


def test_the_test_split_is_opened_once_for_the_front(study: Study) -> None:
    """The values are those of the integer models; a second report reads them."""
    dataset, opener = counting(fakes.tiny_dataset())
    steps: list[tuple[int, int]] = []
    measured = study.record.measure_test(dataset, lambda *step: steps.append(step))
    ids = [evaluation.candidate.id for evaluation in study.front().evaluations]
    assert measured == {
        number: error_rate(study.load_model(number), dataset.open_test()) for number in ids
    }
    assert steps == [(done, len(ids)) for done in range(len(ids) + 1)]
    opener.count = 0
    again = StudyRecord.open(study.record.folder)
    assert again.test_errors() == measured
    assert again.measure_test(dataset) == measured
    assert opener.count == 0


def test_only_missing_models_are_measured(study: Study) -> None:
    """A value in the journal is final."""
    first = study.front().evaluations[0].candidate.id
    study.record.journal.measure(first, "test_error", 0.125)
    assert study.measure_test()[first] == 0.125


def test_another_data_set_is_refused(study: Study) -> None:
    """Before its test split is opened."""
    dataset, opener = counting(fakes.tiny_dataset(seed=1))
    with pytest.raises(StudyError, match="fingerprint"):
        study.record.measure_test(dataset)
    assert opener.count == 0


def test_a_missing_model_is_named_with_those_there_are(study: Study) -> None:
    """The message lists the front."""
    front = study.front().evaluations[0].candidate.id
    with pytest.raises(StudyError, match=rf"candidate 77 .* {front}"):
        study.load_model(77)


def test_a_folder_without_study_is_refused(tmp_path: Path) -> None:
    """And no study is made there."""
    with pytest.raises(StudyError, match="found none"):
        StudyRecord.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_final_models_that_break_a_limit_do_not_hide_the_search(tmp_path: Path) -> None:
    """As long as no final model keeps the limits, the front is the search's."""
    settings = {"objectives": ["val_error"], "limits": {"ram_bytes": 100}}
    journal = Journal.create(tmp_path / DATABASE, settings)
    search = fakes.candidate(0)
    final = replace(search, id=FIRST_FINAL_ID, effort="final", parent=0)
    for candidate, arena in ((search, 90.0), (final, 110.0)):
        journal.propose(candidate)
        journal.record(Evaluation(candidate, {"val_error": 0.1}, {"arena_bytes": arena}))
    front = StudyRecord.open(tmp_path).front()
    assert isinstance(front, ParetoFront)
    assert [e.candidate.id for e in front.evaluations] == [0]
