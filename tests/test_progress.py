"""What a person sees of a running study and of its outcomes."""

import io
from dataclasses import replace

import study_fakes as fakes
from rich.console import Console

from sparse_search.candidate import Candidate, Evaluation, History, Outcome, Rejection
from sparse_search.finals import FIRST_FINAL_ID
from sparse_search.phases import Finished, PhaseStarted, Replanned, Started
from sparse_search.progress import StudyProgress, describe
from sparse_search.report import describe_stage, history_lines


def staged(candidate_id: int, stage: int) -> Candidate:
    """A candidate of a stage."""
    return replace(fakes.candidate(candidate_id), stage=stage)


def test_a_change_of_stage_is_shown_once() -> None:
    """By number and name; what other workers still finish of the stage before is no change."""
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=False)
    with StudyProgress(console) as progress:
        progress(PhaseStarted("search", 6, 0))
        for number, stage in enumerate((1, 1, 2, 1, 2, 3)):
            progress(Started(staged(number, stage)))
    lines = [line for line in text.getvalue().splitlines() if line.startswith("stage")]
    assert lines == [
        "stage 1 of 3: random or morph",
        "stage 2 of 3: pruning parameters",
        "stage 3 of 3: Pareto parents",
    ]


def test_a_strategy_without_stages_shows_none() -> None:
    """Nor does a final candidate of one that has them."""
    text = io.StringIO()
    with StudyProgress(Console(file=text, width=100)) as progress:
        progress(PhaseStarted("search", 2, 0))
        progress(Started(staged(0, 0)))
        progress(Started(replace(staged(FIRST_FINAL_ID, 2), effort="final")))
    assert "stage" not in text.getvalue()
    assert describe_stage(0) == ""


def test_what_became_of_a_candidate_is_one_line() -> None:
    """Figures of an evaluation, the reason of a rejection, a stopped training included."""
    figures = {"val_error": 0.125, "flash_bytes": 1500.0, "arena_bytes": 900.0}
    line = describe(Evaluation(fakes.candidate(3, 0.3), figures, seconds=2.0))
    assert "12.50% error" in line
    assert "1,500 B flash" in line
    assert "random; magnitude 30%" in line
    clustered = replace(fakes.candidate(3, 0.3), codebook_bits=4)
    assert "magnitude 30% 4-bit codebook" in describe(Evaluation(clustered, figures))
    stopped = Rejection(fakes.candidate(4), "stopped", "it heads for 20 %", (0.3,), 0.2, 1.0)
    assert "stopped: it heads for 20 %" in describe(stopped)
    failed = Rejection(fakes.candidate(5), "failed", "no [/x] in [b]")
    text = io.StringIO()
    with StudyProgress(Console(file=text, width=100)) as progress:
        progress(PhaseStarted("search", 2, 0))
        progress(Finished(stopped))
        progress(Finished(failed))
    assert "failed: no [/x] in [b]" in text.getvalue()
    assert "stopped: it heads for 20 %" in text.getvalue()


def test_where_a_further_pruned_model_comes_from_is_shown() -> None:
    """The model whose path it is on, its sparsities and its codebook."""
    figures = {"val_error": 0.125, "flash_bytes": 1500.0, "arena_bytes": 900.0}
    step = replace(fakes.candidate(3, 0.3), effort="pruned", pruned_from=7, codebook_bits=4)
    line = describe(Evaluation(step, figures))
    assert "pruned from 7; magnitude 30% 4-bit codebook" in line


def test_the_bar_follows_what_remains_to_be_done() -> None:
    """When paths end, the total of the phase falls."""
    text = io.StringIO()
    with StudyProgress(Console(file=text, width=100, force_terminal=True)) as progress:
        progress(PhaseStarted("pruned", 40, 2))
        progress(Replanned(9))
    assert "pruning the front further" in text.getvalue()
    assert text.getvalue().count("2/9") == 1


def test_the_report_counts_ends_and_stages() -> None:
    """Stages with their candidates; reasons of all rejections but those that were stopped."""
    outcomes: list[Outcome] = [Evaluation(staged(i, 1), {}) for i in range(3)]
    outcomes.append(Rejection(staged(3, 1), "stopped", "dominated"))
    outcomes.append(Rejection(staged(4, 2), "failed", "no disk"))
    final = replace(staged(FIRST_FINAL_ID, 2), effort="final")
    assert history_lines(History([*outcomes, Evaluation(final, {})], [staged(5, 2)])) == [
        "4 candidates evaluated, 1 stopped early, 1 failed, 1 unfinished",
        "  stage 1 of 3: random or morph: candidates 0 to 3",
        "  stage 2 of 3: pruning parameters: candidates 4 to 5",
        "  4: failed: no disk",
    ]
    assert history_lines(History()) == ["0 candidates evaluated, 0 unfinished"]
