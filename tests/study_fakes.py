"""Fast stand-ins for evaluation, strategy and objectives, importable by worker processes."""

import hashlib
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparse_search.architecture import Architecture, Conv2D, ConvBlock, DepthwiseConv2D
from sparse_search.candidate import (
    Candidate,
    Evaluation,
    History,
    Outcome,
    PruningStep,
    Rejection,
)
from sparse_search.dataset import Dataset
from sparse_search.graph import Graph
from sparse_search.memory import MemoryPlan
from sparse_search.record import StudyRecord
from sparse_search.space import PruningRange, SearchSpace
from sparse_search.study import Study
from sparse_search.target import Limits
from sparse_search.workers import Device

SPACE = SearchSpace(
    (8, 8, 1), 2, pruning=(PruningRange("channels", 0.5), PruningRange("magnitude", 0.9))
)


def tiny_dataset(seed: int = 0) -> Dataset:
    """Sixteen 8 x 8 images of two classes, with a test split."""
    images = np.random.default_rng(seed).integers(0, 256, (16, 8, 8), dtype=np.uint8)
    labels = [0, 1] * 8
    held_out = (images[:4], labels[:4])
    # Splits that are given need no scikit-learn, whose import takes longer than a whole study.
    return Dataset.from_arrays(images, labels, validation=held_out, test=held_out, name="tiny")


def architecture(filters: int, kernel: int = 3) -> Architecture:
    """One convolution."""
    return SPACE.canonical(Architecture((ConvBlock((Conv2D(filters, kernel),)),)))


def candidate(candidate_id: int, sparsity: float = 0.0) -> Candidate:
    """A candidate whose architecture follows from its id."""
    pruning = (PruningStep("magnitude", sparsity),) if sparsity else ()
    return Candidate(candidate_id, architecture(candidate_id % 90 + 1), pruning)


@dataclass(frozen=True)
class NamedObjective:
    """An objective as far as a study looks at it."""

    name: str
    unit: str = ""

    def predict(self, plan: MemoryPlan) -> float | None:
        """Everything but the error is known beforehand."""
        return None if self.name == "val_error" else 1.0


@dataclass(frozen=True)
class NamedPruner:
    """A pruner as far as a study looks at it."""

    name: str

    def predict(self, graph: Graph, step: PruningStep) -> tuple[Graph, dict[str, float]]:
        """Every method sets weights to zero."""
        return graph, {op.name: step.sparsity for op in graph.weighted}


PRUNERS = (NamedPruner("channels"), NamedPruner("magnitude"))
OBJECTIVES = (NamedObjective("val_error"), NamedObjective("flash_bytes"))


@dataclass(frozen=True)
class FakeEvaluator:
    """Figures that follow from the candidate and its parent's file; writes a file of its own."""

    folder: Path
    seconds: float = 0.0
    stops: bool = False

    def __call__(self, candidate: Candidate) -> Outcome:
        """Waits, then writes and returns what it made up; leaves a trace of being called.

        If it ``stops``, every third search candidate or so is stopped early and writes nothing.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "calls.txt").open("a") as calls:
            calls.write(f"{candidate.id}\n")
        # Of fields that a candidate has always had: new ones must not change every figure.
        text = f"{candidate.architecture.hash()} {candidate.id} {candidate.pruning}"
        if candidate.parent is not None:
            text += self._file(candidate.parent).read_text()
        time.sleep(self.seconds)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self.stops and candidate.effort == "search" and int(digest[-1], 16) < 5:
            return Rejection(candidate, "stopped", "dominated", (0.9,), 0.8, time.perf_counter())
        self._file(candidate.id).write_text(digest)
        size = float(sum(_filters(block) for block in candidate.architecture.blocks))
        error = int(digest[:6], 16) / 16**6
        objectives = {"val_error": error, "flash_bytes": size, "arena_bytes": 100.0}
        metrics = {"nonzeros": size, "flash_bytes": size, "int8_dense_bytes": size}
        return Evaluation(
            candidate, objectives, metrics | {"arena_bytes": 100.0}, (error,), time.perf_counter()
        )

    @property
    def device(self) -> Device:
        """Nothing is trained."""
        return "cpu"

    def reads(self, candidate: Candidate) -> tuple[str, ...]:
        """The parent's file."""
        return () if candidate.parent is None else (f"{candidate.parent}.txt",)

    def writes(self, candidate: Candidate) -> tuple[str, ...]:
        """The candidate's file."""
        return (f"{candidate.id}.txt",)

    def at(self, folder: Path) -> "FakeEvaluator":
        """The same for another folder."""
        return replace(self, folder=folder)

    def _file(self, candidate_id: int) -> Path:
        return self.folder / f"{candidate_id}.txt"


def _filters(block: ConvBlock) -> int:
    """Of its first layer; 1 for a layer that does not choose their number."""
    layer = block.layers[0]
    return 1 if isinstance(layer, DepthwiseConv2D) else layer.filters


@dataclass(frozen=True)
class TroubledEvaluator:
    """Does to a candidate what its id stands for; 9 and above are evaluated at once."""

    def __call__(self, candidate: Candidate) -> Outcome:
        """0 raises, 1 exits, 2 is killed, 3 has no memory, 4 is NaN, 5 hangs, 6 is another's."""
        actions = {
            0: self._raise,
            1: lambda: os._exit(3),
            2: lambda: os.kill(os.getpid(), signal.SIGKILL),
            3: self._run_out_of_memory,
            5: lambda: time.sleep(600),
        }
        actions.get(candidate.id, lambda: None)()
        error = float("nan") if candidate.id == 4 else 0.5
        subject = Candidate(99, candidate.architecture) if candidate.id == 6 else candidate
        return Evaluation(subject, {"val_error": error})

    @staticmethod
    def _raise() -> None:
        raise ValueError("expected this\nand a second line")

    @staticmethod
    def _run_out_of_memory() -> None:
        raise MemoryError


@dataclass(frozen=True)
class Surroundings:
    """Reports the conditions under which a worker evaluates."""

    def __call__(self, candidate: Candidate) -> Outcome:
        """Threads, disposition of SIGINT (0: ignored) and whether torch was imported."""
        return Evaluation(
            candidate,
            {"val_error": 0.0},
            {
                "threads": float(os.environ["OMP_NUM_THREADS"]),
                "interrupts": float(signal.getsignal(signal.SIGINT) != signal.SIG_IGN),
                "torch": float("torch" in sys.modules),
                "process": float(os.getpid()),
            },
        )


@dataclass(frozen=True)
class FakeStrategy:
    """Random networks and children of earlier ones: proposals depend on the whole history."""

    name: str = "fake"

    def propose(
        self, history: History, candidate_id: int, generator: np.random.Generator
    ) -> Candidate:
        """A child of a good evaluation half of the time."""
        ranked = sorted(history.evaluations, key=lambda e: e.objectives["val_error"])
        inherits = bool(ranked) and generator.random() < 0.5
        parent = ranked[generator.integers(min(3, len(ranked)))].candidate.id if inherits else None
        while True:
            proposal = Candidate(
                candidate_id,
                architecture(int(generator.integers(1, 90))),
                SPACE.sample_pruning(generator),
                origin="morph" if inherits else "random",
                parent=parent,
            )
            if proposal.key not in {c.key for c in history.candidates}:
                return proposal


def study(folder: Path, *, seconds: float = 0.0, **changes: Any) -> Study:
    """A study of fakes; ``changes`` replace its arguments."""
    arguments: dict[str, Any] = {
        "dataset": tiny_dataset(),
        "space": SPACE,
        "objectives": OBJECTIVES,
        "pruners": PRUNERS,
        "limits": Limits(),
        "strategy": FakeStrategy(),
        "evaluate": FakeEvaluator(folder / "fake", seconds),
        "final_models": 3,
        "out": folder,
    }
    return Study(**{**arguments, **changes})


def sparse_study(folder: Path, *, seconds: float = 0.0) -> Study:
    """A study whose proposals are those of ``SparseStrategy``, from small pools."""
    # Imports torch, which most tests of a study do without.
    from morphisms import MORPHISMS
    from sparse_search.forecast import Forecaster
    from sparse_search.search.sparse import SparseOptions, SparseStrategy

    limits = Limits(ram_bytes=2000, model_bytes=3000)
    options = SparseOptions(initial=4, pool_size=24)
    forecaster = Forecaster(SPACE, PRUNERS)
    return study(
        folder,
        evaluate=FakeEvaluator(folder / "fake", seconds, stops=True),
        limits=limits,
        strategy=SparseStrategy(SPACE, MORPHISMS, forecaster, OBJECTIVES, limits, options),
    )


@dataclass(frozen=True)
class SizedObjective:
    """An objective whose value is the bytes of flash that the plan predicts, if any."""

    name: str
    unit: str = ""

    def predict(self, plan: MemoryPlan) -> float | None:
        """Everything but the error is known beforehand."""
        return None if self.name == "val_error" else float(plan.flash_bytes)


def prune(folder: Path, *, seconds: float = 0.0, **changes: Any) -> int:
    """Prunes the front of a study of fakes further; ``changes`` replace arguments."""
    import pruning  # imports torch
    from sparse_search.front_pruning import prune_front

    arguments: dict[str, Any] = {
        "pruners": pruning.PRUNERS,
        "objectives": tuple(SizedObjective(objective.name) for objective in OBJECTIVES),
        "evaluate": FakeEvaluator(folder / "fake", seconds),
        "dataset": tiny_dataset(),
    }
    return prune_front(StudyRecord.open(folder), **{**arguments, **changes})


def calls(folder: Path) -> list[int]:
    """Ids that the evaluator was called with, in order."""
    return [int(line) for line in (folder / "fake" / "calls.txt").read_text().split()]
