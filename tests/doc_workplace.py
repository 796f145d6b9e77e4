"""What commands of the documentation find in their folder, and how their work is made short."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparse_search import pruning_path
from sparse_search.cli import prune_command, run_command
from sparse_search.evaluation import EvaluationConfig
from sparse_search.phases import Observer
from sparse_search.study import Study
from sparse_search.training import TrainingConfig

_CANDIDATES = 2
_STEPS = 1


def brief() -> EvaluationConfig:
    """One epoch of everything."""
    training = TrainingConfig(epochs=1, batch_size=64)
    return EvaluationConfig(
        training=training,
        inherited_epochs=1,
        fine_tuning_epochs=1,
        final_epochs=1,
        final_fine_tuning_epochs=1,
        final_quantized_epochs=1,
        clustering_epochs=1,
        final_clustering_epochs=1,
    )


@contextmanager
def short_work() -> Iterator[None]:
    """Searches of two candidates and paths of one step, one epoch each, in this process.

    All else is what a person gets who types the same. The log is left as it was.
    """
    run, parse = Study.run, run_command.parse_workers

    def run_few(study: Study, candidates: int, *observer: Observer) -> int:
        return run(study, min(candidates, _CANDIDATES), *observer)

    log = logging.getLogger("sparse_search")
    before = (log.level, log.propagate, [*log.handlers])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvaluationConfig, "for_dataset", staticmethod(lambda dataset: brief()))
        patch.setattr(Study, "run", run_few)
        patch.setattr(pruning_path, "_STEPS", _STEPS)
        for command in (run_command, prune_command):
            patch.setattr(command, "parse_workers", lambda text: 0 if parse(text) else None)
        yield
    log.level, log.propagate = before[:2]
    for handler in {*log.handlers} - {*before[2]}:
        log.removeHandler(handler)
        handler.close()


def write_photos(folder: Path) -> None:
    """Sixty small pictures in two class folders."""
    generator = np.random.default_rng(0)
    for number in range(60):
        name = ("dark", "bright")[number % 2]
        low = 20 + 120 * (number % 2)
        pixels = generator.integers(low, low + 100, (20, 24, 3), dtype=np.uint8)
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_readings(file: Path) -> None:
    """A table of three numbers and a state in each line."""
    generator = np.random.default_rng(0)
    lines = ["current,voltage,heat,state"]
    for number in range(240):
        state = number % 3
        values = generator.normal(state * np.array([1.0, 2.0, 30.0]), [1.0, 0.5, 9.0])
        lines.append(
            ",".join(f"{value:.3f}" for value in values) + f",{('off', 'idle', 'on')[state]}"
        )
    file.write_text("\n".join(lines) + "\n")
