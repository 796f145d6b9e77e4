"""What early stopping saves, replayed on the recorded learning curves of the replay tables.

    python -m experiments.bench_stopping experiments/tables/digits.json.gz [TABLE ...]

Random searches over a table: each training is judged at its rungs against what the search has
evaluated so far, and ends where ``sparse_search.stopping`` ends it. Then its error is not known to
the search. Columns of ``bench_stopping.csv``:

    epochs_saved        fraction of all epochs that were not trained
    stopped             fraction of the trainings that were stopped
    wrongly_stopped     fraction stopped of those that would have beaten their error to beat
    hypervolume_kept    that of the evaluated networks with stopping, by the one without; errors
                        are means over the table's trainings, the worst of the table is the limit
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sparse_search.candidate import Candidate, Evaluation
from sparse_search.pareto import hypervolume
from sparse_search.stopping import ERROR, error_to_beat, is_rung, reason_to_stop

from .provenance import add_arguments, write_results
from .replay import OBJECTIVES, ReplayTable

COLUMNS = (
    "table",
    "evaluations",
    "searches",
    "epochs_saved",
    "stopped",
    "wrongly_stopped",
    "hypervolume_kept",
)


def epochs_until_stopped(candidate: Candidate, curve: Sequence[float]) -> int:
    """Epochs that are trained; all of them where nothing stops the training."""
    epochs = len(curve)
    for done in range(1, epochs):
        if is_rung(done, epochs) and reason_to_stop(candidate, curve[:done], epochs):
            return done
    return epochs


def replay_search(table: ReplayTable, evaluations: int, seed: int) -> dict[str, float]:
    """Counts of one random search."""
    rng = np.random.default_rng(seed)
    architectures = list(table.draws)
    chosen = rng.choice(len(architectures), evaluations, replace=False)
    known: list[Evaluation] = []
    counts = dict.fromkeys(("epochs", "trained", "stopped", "winners", "lost"), 0.0)
    everything, kept = [], []
    for number, index in enumerate(chosen):
        candidate = Candidate(number, architectures[index])
        outcome = table.evaluate(candidate, seed)
        exact = {name: outcome.objectives[name] for name in OBJECTIVES if name != ERROR}
        bound = error_to_beat(exact, known)
        judged = replace(candidate, error_to_beat=bound)
        trained = epochs_until_stopped(judged, outcome.curve)
        stopped = trained < len(outcome.curve)
        wins = bound is None or outcome.objectives[ERROR] < bound
        counts["epochs"] += len(outcome.curve)
        counts["trained"] += trained
        counts["stopped"] += stopped
        counts["winners"] += wins
        counts["lost"] += wins and stopped
        everything.append(table.mean_objectives(candidate))
        if not stopped:
            known.append(outcome)
            kept.append(table.mean_objectives(candidate))
    worst = table.values.max(axis=0)
    volumes = [hypervolume(np.array(v) / worst, np.ones(len(worst))) for v in (kept, everything)]
    return {**counts, "kept": volumes[0] / volumes[1]}


def summarize(path: Path, evaluations: int, searches: int) -> dict[str, str | float]:
    """A row of the table of results."""
    table = ReplayTable.load(path)
    rows = [replay_search(table, evaluations, seed) for seed in range(searches)]
    total = {name: sum(row[name] for row in rows) for name in rows[0]}
    return {
        "table": str(table.facts["name"]),
        "evaluations": evaluations,
        "searches": searches,
        "epochs_saved": round(1.0 - total["trained"] / total["epochs"], 3),
        "stopped": round(total["stopped"] / (evaluations * searches), 3),
        "wrongly_stopped": round(total["lost"] / total["winners"], 4),
        "hypervolume_kept": round(total["kept"] / searches, 4),
    }


def main() -> None:
    """Replays searches on tables and writes what they saved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tables", type=Path, nargs="+", help="replay tables")
    parser.add_argument("--evaluations", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--searches", type=int, default=20)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = [
        summarize(path, evaluations, arguments.searches)
        for path in arguments.tables
        for evaluations in arguments.evaluations
    ]
    facts = {
        "command": "python -m experiments.bench_stopping experiments/tables/*.json.gz",
        "seed": f"0 to {arguments.searches - 1}, one for each search",
    }
    write_results(arguments, "bench_stopping", rows, facts)
    print((arguments.results / "bench_stopping.csv").read_text(), end="")


if __name__ == "__main__":
    main()
