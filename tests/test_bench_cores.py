"""The benchmark of emulated cores: its journal and what it makes of the rows."""

from pathlib import Path

from experiments.bench_cores import FIGURES, read_journal, summarise


def row(model: str, core: str, code: int) -> dict[str, object]:
    """A model that ran, with as much code, 100 B predicted."""
    figures = dict.fromkeys(FIGURES, 100)
    predicted = {f"{name}_predicted": 100 for name in FIGURES}
    told = {"fits": True, "passed": True, "images": 8, "identical": 8}
    return {"model": model, "core": core, **told, **figures, **predicted, "code": code}


def test_a_journal_that_was_cut_short_is_read(tmp_path: Path) -> None:
    """The line that a kill has cut is measured again."""
    path = tmp_path / "journal.jsonl"
    assert read_journal(path) == {}
    path.write_text('{"model": "random 0", "core": "m0", "fits": false}\n{"model": "rand')
    assert read_journal(path).keys() == {("random 0", "m0")}


def test_the_summary_counts_models_and_finds_the_largest_error() -> None:
    """By core; a model that is too large is counted as such."""
    rows = [row("a", "m0", 100), row("b", "m0", 97), {"model": "c", "core": "m0", "fits": False}]
    (core, found), *_ = summarise(rows).items()
    assert core == "m0"
    assert (found["models"], found["too_large"], found["passed"]) == (2, 1, 2)
    assert found["identical"] == 16
    assert found["data_as_predicted"] == 2
    assert found["largest_code_error"] == 0.03
