"""What a page shows is what the run's folder records; unfinished and empty runs included."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_runs import SPACE, empty_run, made_run

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.boards import BOARDS
from sparse_search.candidate import Candidate, Rejection
from sparse_search.deploy.cores import CORES
from sparse_search.evaluation import model_path
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.record import StudyRecord
from sparse_search.report import HealthCard, front_frame, write_front_csv
from sparse_search.report.page import run_contents, write_page
from sparse_search.target import Limits

LIMITS = Limits(4096, 4096)
NETWORK = SPACE.canonical(Architecture((ConvBlock((Conv2D(4, 3),)),)))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """A finished run."""
    return made_run(tmp_path_factory.mktemp("run"), limits=LIMITS)


def test_the_front_has_the_numbers_of_front_csv(record: StudyRecord, tmp_path: Path) -> None:
    """Every column of every row, to the last digit that the file has."""
    write_front_csv(tmp_path / "front.csv", front_frame(record.front(), record.test_errors()))
    frame = pd.read_csv(tmp_path / "front.csv").set_index("candidate")
    models = {row.id: row for row in run_contents(record, ()).models}
    assert len(frame) > 2
    for candidate, expected in frame.iterrows():
        figures = models[int(str(candidate))].figures
        assert {name: figures[name] for name in frame.columns} == expected.to_dict()


def test_every_measured_model_is_there_with_its_sizes(record: StudyRecord) -> None:
    """Under every kernel library, with the operator and the layer that set them."""
    rows = run_contents(record, ()).models
    assert [row.id for row in rows] == [e.candidate.id for e in record.history().evaluations]
    for row in rows:
        for kernels in KernelLibrary:
            plan = plan_memory(record.load_model(row.id), kernels)
            sizes = row.sizes[kernels]
            assert (sizes.arena_bytes, sizes.flash_bytes) == (plan.arena_bytes, plan.flash_bytes)
            peak = max(range(len(plan.layers)), key=lambda i: plan.step_bytes[i])
            assert plan.step_bytes[peak] == plan.lower_bound_bytes
            assert sizes.peak_operator == plan.layers[peak].name
            layer, part = sizes.largest["flash_bytes"]
            assert part == max(layer.flash_bytes for layer in plan.layers)
            assert part == {layer.name: layer.flash_bytes for layer in plan.layers}[layer]


def test_details_add_up(record: StudyRecord) -> None:
    """Bytes of layers to flash, but for operators without weights; parameters, MACs, nonzeros."""
    contents = run_contents(record, ())
    assert set(contents.details) == {row.id for row in contents.models}
    for row in contents.models:
        detail = contents.details[row.id]
        plan = plan_memory(record.load_model(row.id))
        unweighted = sum(layer.flash_bytes for layer in plan.layers if not layer.weights)
        stored = sum(layer.weight_bytes + layer.other_bytes for layer in detail.layers)
        assert stored + unweighted == row.figures["flash_bytes"]
        assert sum(op.parameters for op in detail.operators) == row.figures["parameters"]
        assert sum(op.macs for op in detail.operators) == row.figures["macs"]
        assert detail.plan is not None
        assert detail.plan.arena_bytes == row.figures["arena_bytes"]
        assert detail.plan.note == ""
        assert max(detail.plan.step_bytes) == plan.lower_bound_bytes
        assert detail.lineage[-1].candidate == row.id


def test_certificates_and_exports_are_those_of_the_folder(record: StudyRecord) -> None:
    """Of the front, which is exported, and of no other model."""
    front = {e.candidate.id for e in record.front().evaluations}
    for number, detail in run_contents(record, ()).details.items():
        assert detail.export == (f"exports/{number}" if number in front else "")
        cores = ["host", "m4"] if number in front else []
        assert [c.core for c in detail.certificates] == cores
        assert all(c.passed for c in detail.certificates)


def test_every_board_names_a_core_that_verify_knows(record: StudyRecord) -> None:
    """All boards have one; M0+ runs what M0 runs."""
    boards = run_contents(record, ()).boards
    assert [board.name for board in boards] == list(BOARDS)
    assert {board.emulated for board in boards} <= set(CORES)
    for board in boards:
        names = {"avr": "avr", "cortex-m0plus": "m0"}
        assert board.emulated == names.get(board.core, board.core.removeprefix("cortex-"))


def test_a_missing_model_costs_its_graph_and_plan_only(tmp_path: Path) -> None:
    """Figures, curve and lineage are in the journal."""
    record = made_run(tmp_path, count=6)
    model_path(tmp_path, 3).unlink()
    contents = run_contents(record, ())
    detail = contents.details[3]
    assert (detail.plan, detail.operators, detail.layers) == (None, (), ())
    assert len(detail.curve) == 6
    assert set(contents.models[3].sizes) == {"runtime"}


def test_a_plan_that_differs_from_the_record_says_so(tmp_path: Path) -> None:
    """As of a run of an earlier version; the figures shown are those that were recorded."""
    run = empty_run(tmp_path)
    evaluation = run.add(Candidate(0, NETWORK), 0.1)
    smaller = {**evaluation.objectives, "arena_bytes": 7.0}
    run.record(
        replace(evaluation, candidate=replace(evaluation.candidate, id=1), objectives=smaller)
    )
    model_path(tmp_path, 1).write_bytes(model_path(tmp_path, 0).read_bytes())
    contents = run_contents(StudyRecord.open(tmp_path), ())
    plan = contents.details[1].plan
    assert plan is not None
    assert plan.note.startswith("arena_bytes 7 when it was measured, ")
    assert contents.models[1].sizes["runtime"].arena_bytes == 7


def test_long_studies_keep_the_front_and_its_ancestors_in_detail(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the most accurate others, as far as there is room."""
    monkeypatch.setattr("sparse_search.report.page.run.MOST_DETAILS", 12)
    contents = run_contents(record, ())
    front = {e.candidate.id for e in record.front().evaluations}
    assert front <= set(contents.details)
    ancestors = {s.candidate for number in front for s in contents.details[number].lineage}
    assert ancestors <= set(contents.details)
    assert len(contents.details) == max(12, len(front | ancestors))
    assert len(contents.models) == len(record.history().evaluations)


def test_an_empty_run_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is measured yet: the same command continues."""
    empty_run(tmp_path).journal.propose(Candidate(0, NETWORK))
    contents = run_contents(StudyRecord.open(tmp_path), ())
    assert contents.models == ()
    first, second = contents.advice
    assert "the command that began this run continues it" in first
    assert second.startswith("This run is unfinished: 1 candidate without an outcome yet.")


def test_a_run_without_models_gives_the_first_reason(tmp_path: Path) -> None:
    """And what may help."""
    run = empty_run(tmp_path)
    run.record(Rejection(Candidate(0, NETWORK), "diverged", "The loss is not finite."))
    (advice,) = run_contents(StudyRecord.open(tmp_path), ()).advice
    assert "None of 1 candidates became a model" in advice
    assert "diverged: The loss is not finite." in advice


def test_a_run_in_which_nothing_fits_says_what_to_do(tmp_path: Path) -> None:
    """More candidates, larger limits, or another board."""
    record = made_run(tmp_path, count=5, limits=Limits(40, 40))
    contents = run_contents(record, ())
    (advice,) = contents.advice
    assert "No measured model keeps the limits (arena_bytes ≤ 40, flash_bytes ≤ 40)" in advice
    assert "larger limits" in advice
    assert len(contents.models) == 8


def test_the_page_is_one_file_and_holds_its_contents(record: StudyRecord, tmp_path: Path) -> None:
    """The JSON in it is what Python made; no address of anything else is in the file."""
    cards = (HealthCard("good", "front", "a < b & c"),)
    write_page(record, cards, tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = re.search(r'<script id="contents" type="application/json">(.*?)</script>', text)
    assert found is not None
    contents = json.loads(found[1])
    assert contents["health"] == [{"level": "good", "title": "front", "sentence": "a < b & c"}]
    assert len(contents["models"]) == len(record.history().evaluations)
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert len(text) < 400_000


def test_a_page_is_the_same_again(record: StudyRecord, tmp_path: Path) -> None:
    """Nothing in it depends on the time or the machine."""
    for name in ("a.html", "b.html"):
        write_page(record, (), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_links_to_exports_lead_there_from_another_folder(
    record: StudyRecord, tmp_path: Path
) -> None:
    """Also from a page that is not in the run's folder."""
    write_page(record, (), tmp_path / "sub" / "page.html")
    text = (tmp_path / "sub" / "page.html").read_text(encoding="utf-8")
    base = re.search(r'"base":"([^"]*)"', text)
    assert base is not None
    assert (tmp_path / "sub" / base[1]).resolve() == record.folder.resolve()
