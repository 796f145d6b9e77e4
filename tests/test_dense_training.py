"""Trainings that several candidates begin with: done once, whoever asks, and never half written."""

import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.atomic_files import write_at_once
from sparse_search.candidate import Candidate, Recipe
from sparse_search.dense_training import DenseTraining
from sparse_search.network import Network
from sparse_search.space import SearchSpace

SMALL = Architecture((ConvBlock((Conv2D(4, 3, 2),)),))
FINAL = Candidate(100_000, SMALL, effort="final", parent=3)


def test_candidates_share_it_after_the_search_if_nothing_that_it_depends_on_differs() -> None:
    """Pruning and codebooks come later."""
    training = DenseTraining.of(FINAL)
    assert training.shared
    assert (
        DenseTraining.of(replace(FINAL, id=200_000, effort="pruned", codebook_bits=4)) == training
    )
    others = [replace(FINAL, parent=4), replace(FINAL, recipe=Recipe(0.5))]
    assert len({training, *map(DenseTraining.of, others)}) == 3
    assert not DenseTraining.of(Candidate(3, SMALL)).shared


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """Weights and curve."""
    space = SearchSpace((8, 8, 1), 2)
    network = Network(space.build(SMALL), torch.Generator().manual_seed(0))
    training = DenseTraining.of(FINAL)
    assert training.load(tmp_path) is None
    training.save(tmp_path, network, (0.5, 0.25))
    found = training.load(tmp_path)
    assert found is not None
    assert found[1] == (0.5, 0.25)
    state = found[0].state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    """Nobody ever reads half of one."""
    path = tmp_path / "curve.json"
    write_at_once(path, lambda partial: partial.write_text("[1.0]"))

    def fail(partial: Path) -> None:
        partial.write_text("[")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_at_once(path, fail)
    assert path.read_text() == "[1.0]"
    assert [*tmp_path.iterdir()] == [path]


@dataclass(frozen=True)
class Trainer:
    """A process that does a training unless it is there."""

    folder: Path

    def __call__(self, number: int) -> None:
        """Leaves a line if it had to."""
        training = DenseTraining.of(replace(FINAL, id=number))
        with training.alone(self.folder):
            curve = self.folder / training.curve
            if not curve.exists():
                with (self.folder / "trained.txt").open("a") as file:
                    file.write(f"{number}\n")
                write_at_once(curve, lambda partial: partial.write_text("[]"))


def test_of_several_processes_one_trains(tmp_path: Path) -> None:
    """The others wait for its result."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(Trainer(tmp_path), range(100_000, 100_008), chunksize=1)
    assert len((tmp_path / "trained.txt").read_text().splitlines()) == 1
