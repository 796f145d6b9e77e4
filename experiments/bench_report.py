"""The table, sidecar, figure and summary of a comparison of strategies."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparse_search.pareto import non_dominated

from .bench_settings import Setting

Floats: TypeAlias = NDArray[np.float64]

BASELINE = "random"
_ROWS_EVERY = 5
_TIMES = 200
_COLOURS = {
    "sparse": "#000000",
    "random": "#999999",
    "evolution": "#E69F00",
    "ehvi": "#0072B2",
    "optuna-tpe": "#009E73",
    "optuna-nsga2": "#CC79A7",
    "optuna-gp": "#D55E00",
}


@dataclass(frozen=True)
class Curves:
    """The searches of one strategy in one setting.

    Attributes:
        seeds: Of the r searches.
        seconds: [r, n] wall time until an evaluation was done.
        volume: [r, n] hypervolume after it.
        propose_seconds: [r] spent on proposing.
    """

    seeds: tuple[int, ...]
    seconds: Floats
    volume: Floats
    propose_seconds: Floats

    @property
    def final(self) -> Floats:
        """Hypervolume [r] after the last evaluation."""
        return self.volume[:, -1]

    def evaluations_to(self, volume: float) -> float:
        """Median over searches of the evaluations until a hypervolume is reached; inf if never."""
        reached = self.volume >= volume
        first = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
        return float(np.quantile(first, 0.5, method="inverted_cdf"))


def read_curves(setting: Setting, folder: Path) -> dict[str, Curves]:
    """Curves by strategy, from the searches' files."""
    runs: dict[str, list[tuple[int, Floats, Floats, float]]] = {}
    for path in sorted((folder / setting.mode).glob("*.jsonl")):
        strategy, seed = path.stem.rsplit("-", 1)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        propose = np.array([row["propose_seconds"] for row in rows])
        seconds = np.cumsum(propose + [row["evaluate_seconds"] for row in rows])
        volume = growth(setting, np.array([row["judged"] for row in rows]))
        runs.setdefault(strategy, []).append((int(seed), seconds, volume, float(propose.sum())))
    curves = {}
    for strategy in sorted(runs, key=list(_COLOURS).index):
        seeds, seconds_, volumes, spent = zip(*sorted(runs[strategy]), strict=True)
        length = min(len(volume) for volume in volumes)
        curves[strategy] = Curves(
            seeds,
            np.array([s[:length] for s in seconds_]),
            np.array([v[:length] for v in volumes]),
            np.array(spent),
        )
    return curves


def growth(setting: Setting, judged: Floats) -> Floats:
    """Hypervolume [n] after each of n evaluations with judged objectives [n, 3]."""
    volume: list[float] = []
    front = np.empty((0, 3))
    for point in judged:
        candidates = np.vstack((front, point))
        kept = candidates[non_dominated(candidates)]
        unchanged = volume and kept.shape == front.shape and bool((kept == front).all())
        volume.append(volume[-1] if unchanged else setting.hypervolume(kept))
        front = kept
    return np.array(volume)


def summarize(curves: Mapping[str, Curves]) -> dict[str, dict[str, float]]:
    """What is read off first, by strategy."""
    goal = float(np.median(curves[BASELINE].final)) if BASELINE in curves else np.nan
    return {
        strategy: {
            "searches": len(c.seeds),
            "median": round(float(np.median(c.final)), 4),
            "lower_quartile": round(float(np.quantile(c.final, 0.25)), 4),
            "upper_quartile": round(float(np.quantile(c.final, 0.75)), 4),
            "evaluations_to_random": c.evaluations_to(goal),
            "propose_seconds": round(float(np.median(c.propose_seconds)), 1),
            "seconds": round(float(np.median(c.seconds[:, -1])), 1),
        }
        for strategy, c in curves.items()
    }


def summary_text(mode: str, summary: Mapping[str, Mapping[str, float]]) -> str:
    """The summary as a table for a terminal, best first."""
    lines = [
        f"{mode}",
        f"  {'strategy':14}{'searches':>9}{'hypervolume (IQR)':>27}{'to random':>11}"
        f"{'proposing s':>13}{'all s':>8}",
    ]
    for name, s in sorted(summary.items(), key=lambda item: -item[1]["median"]):
        spread = f"{s['median']:.4f} ({s['lower_quartile']:.4f}-{s['upper_quartile']:.4f})"
        lines.append(
            f"  {name:14}{s['searches']:>9}{spread:>27}{s['evaluations_to_random']:>11.0f}"
            f"{s['propose_seconds']:>13.1f}{s['seconds']:>8.1f}"
        )
    return "\n".join(lines)


def write_report(
    settings: Sequence[Setting], searches: Path, tables: Path, results: Path, facts: dict[str, Any]
) -> str:
    """Writes ``bench_search.csv``, ``.json`` and ``.png``.

    Args:
        settings: What was compared.
        searches: Folder of the searches' files.
        tables: Folder of the replay tables.
        results: Folder that is written to.
        facts: Command, commit and machine.

    Returns:
        The summary, in words.
    """
    results.mkdir(parents=True, exist_ok=True)
    curves = {setting.mode: read_curves(setting, searches) for setting in settings}
    with (results / "bench_search.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mode", "strategy", "seed", "evaluations", "seconds", "hypervolume"])
        for mode, by_strategy in curves.items():
            for strategy, c in by_strategy.items():
                for r, seed in enumerate(c.seeds):
                    for n in range(_ROWS_EVERY, c.volume.shape[1] + 1, _ROWS_EVERY):
                        seconds, volume = c.seconds[r, n - 1], c.volume[r, n - 1]
                        writer.writerow(
                            [mode, strategy, seed, n, f"{seconds:.2f}", f"{volume:.5f}"]
                        )
    summaries = {mode: summarize(by_strategy) for mode, by_strategy in curves.items()}
    sidecar = {
        **facts,
        "reference": {s.mode: s.reference.tolist() for s in settings},
        "tables": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in _tables(tables)},
        "summary": _without_infinity(summaries),
    }
    (results / "bench_search.json").write_text(json.dumps(sidecar, indent=1) + "\n")
    plot(curves, results / "bench_search.png")
    return "\n".join(summary_text(mode, summary) for mode, summary in summaries.items())


def _tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json.gz"))


def _without_infinity(value: Any) -> Any:
    """JSON has no infinity: None says never."""
    if isinstance(value, dict):
        return {key: _without_infinity(item) for key, item in value.items()}
    return None if value == np.inf else value


def plot(curves: Mapping[str, Mapping[str, Curves]], path: Path) -> None:
    """Median and interquartile range against evaluations (top) and wall time (bottom)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(curves), 7.4), layout="constrained")
    axes = figure.subplots(2, len(curves), squeeze=False, sharey="col")
    for column, (mode, by_strategy) in enumerate(curves.items()):
        top, bottom = axes[:, column]
        finals = [np.median(c.final) for c in by_strategy.values()]
        early = [
            np.median(c.volume[:, min(9, c.volume.shape[1] - 1)]) for c in by_strategy.values()
        ]
        for strategy, c in by_strategy.items():
            style = {"color": _COLOURS[strategy], "lw": 2.4 if strategy == "sparse" else 1.3}
            count = c.volume.shape[1]
            _band(top, np.arange(1, count + 1), c.volume, strategy, style)
            times = np.geomspace(1.0, c.seconds[:, -1].max(), _TIMES)
            _band(bottom, times, _at_times(c, times), strategy, style)
        top.set_title(mode)
        top.set_xlabel("evaluations")
        bottom.set_xlabel("wall time, s")
        bottom.set_xscale("log")
        low, high = min(early), max(finals)
        top.set_ylim(low - 0.15 * (high - low), high + 0.1 * (high - low))
        if column == 0:
            top.set_ylabel("normalised hypervolume")
            bottom.set_ylabel("normalised hypervolume")
            top.legend(loc="lower right", fontsize=8)
        for axis in (top, bottom):
            axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _band(axis: Any, x: Floats, values: Floats, label: str, style: Mapping[str, Any]) -> None:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    axis.plot(x, middle, label=label, **style)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)


def _at_times(curves: Curves, times: Floats) -> Floats:
    """Hypervolume [r, t] at times [t]; 0 before the first evaluation."""
    rows = []
    for seconds, volume in zip(curves.seconds, curves.volume, strict=True):
        done = np.searchsorted(seconds, times, side="right")
        rows.append(np.concatenate(([0.0], volume))[done])
    return np.array(rows)
