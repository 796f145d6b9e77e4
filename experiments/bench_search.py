"""Compares search strategies: hypervolume against evaluations and against wall time.

    python -m experiments.bench_search run replay-digits --out runs/bench
    python -m experiments.bench_search run live-digits --out runs/bench --part 0/2
    python -m experiments.bench_search report --out runs/bench --results experiments/results

``run`` writes a file for each search, so that it can be stopped, continued and split over
processes. ``report`` makes ``bench_search.csv``, its sidecar and its figure from these files.

All strategies see the same space, limits and evaluations. The hypervolume is that of the
evaluated candidates that keep the limits, with every objective divided by its value at the
reference point; in a replay it is computed from the means over the table's trainings, which no
strategy sees, and 1 is the most that the table holds. Live it is computed from what was measured.
Seconds are those of proposing and of evaluating; in a replay, an evaluation takes what it took when
the table was built.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .bench_report import write_report
from .bench_settings import SETTINGS, Setting
from .peers import PEERS, OptunaSearcher
from .provenance import add_arguments
from .replay import OBJECTIVES
from .searchers import Searcher, StrategySearcher, search

STRATEGY_NAMES = ("sparse", "random", "evolution", "ehvi", *PEERS)


def make_searcher(setting: Setting, strategy: str, seed: int) -> Searcher:
    """A fresh search by a strategy of ours or by a peer."""
    if strategy in PEERS:
        return OptunaSearcher(
            PEERS[strategy], setting.forecaster(), setting.limits, OBJECTIVES, seed
        )
    return StrategySearcher(setting.strategy(strategy), seed)


def run_search(setting: Setting, strategy: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    """A row for each evaluation: what it took, and what the search is judged by."""
    searcher = make_searcher(setting, strategy, seed)
    with setting.evaluator(seed) as evaluate:
        for step in search(searcher, evaluate, count):
            yield {
                "propose_seconds": round(step.propose_seconds, 4),
                "evaluate_seconds": round(step.evaluation.seconds, 4),
                "judged": setting.judge(step.evaluation),
            }


def path_of(folder: Path, mode: str, strategy: str, seed: int) -> Path:
    """Where the rows of one search lie."""
    return folder / mode / f"{strategy}-{seed}.jsonl"


def run(setting: Setting, arguments: argparse.Namespace) -> None:
    """Runs the searches of this part that have no file yet."""
    runs = [(seed, name) for seed in arguments.seeds for name in arguments.strategies]
    part, parts = (int(text) for text in arguments.part.split("/"))
    for seed, strategy in runs[part::parts]:
        path = path_of(arguments.out, setting.mode, strategy, seed)
        if path.exists():
            continue
        started = time.perf_counter()
        rows = list(run_search(setting, strategy, seed, arguments.evaluations))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows))
        partial.replace(path)
        print(f"{path}: {time.perf_counter() - started:.1f} s", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="run searches")
    runner.add_argument("mode", choices=SETTINGS)
    runner.add_argument("--tables", type=Path, default=Path("experiments/tables"))
    runner.add_argument("--strategies", nargs="+", choices=STRATEGY_NAMES, default=STRATEGY_NAMES)
    runner.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    runner.add_argument("--evaluations", type=int, default=100)
    runner.add_argument("--part", default="0/1", help="i/n: every n-th search from the i-th")
    reporter = commands.add_parser("report", help="make table and figure from the searches' files")
    reporter.add_argument("--tables", type=Path, default=Path("experiments/tables"))
    add_arguments(reporter)
    for command in (runner, reporter):
        command.add_argument("--out", type=Path, required=True, help="folder of the searches")
    return parser.parse_args()


def main() -> None:
    """Runs searches, or reports on them."""
    arguments = _parse()
    torch.set_num_threads(1)
    if arguments.command == "run":
        run(SETTINGS[arguments.mode](arguments.tables), arguments)
    else:
        modes = [m for m in SETTINGS if (arguments.out / m).is_dir()]
        settings = [SETTINGS[mode](arguments.tables) for mode in modes]
        facts = {
            "command": "python -m experiments.bench_search run MODE, for each mode; then report",
            "commit": arguments.commit,
            "machine": arguments.machine,
        }
        print(write_report(settings, arguments.out, arguments.tables, arguments.results, facts))


if __name__ == "__main__":
    main()
