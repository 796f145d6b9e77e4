"""DenseTraining: where a network is kept that was trained before it is pruned.

Every candidate of the search has its own. Final and further pruned candidates of one architecture,
recipe and parent begin with the same long training: whoever comes first does it, and others wait.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
from pydantic import TypeAdapter

from .atomic_files import write_at_once
from .candidate import Candidate, Recipe
from .network import Network


@dataclass(frozen=True)
class DenseTraining:
    """Files of one training below a run folder, as texts.

    Attributes:
        name: Without a suffix; the same for all candidates that begin with it.
        shared: Whether there may be more than one of these.
    """

    name: str
    shared: bool

    @staticmethod
    def of(candidate: Candidate) -> "DenseTraining":
        """That of a candidate."""
        if candidate.searching:
            return DenseTraining(f"weights/{candidate.id}", shared=False)
        recipe = TypeAdapter(Recipe).dump_json(candidate.recipe)
        digest = hashlib.sha256(recipe + str(candidate.parent).encode()).hexdigest()[:8]
        name = f"weights/final-{candidate.architecture.hash()}-{digest}"
        return DenseTraining(name, shared=True)

    @property
    def curve(self) -> str:
        """Validation errors (fractions) after each epoch, as JSON."""
        return f"{self.name}.curve.json"

    @property
    def weights(self) -> str:
        """The network."""
        return f"{self.name}.safetensors"

    @property
    def checkpoint(self) -> str:
        """From where an interrupted training goes on."""
        return f"{self.name}.state"

    @contextlib.contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Waits until nobody else does the same training; the system ends the wait of the dead."""
        if not self.shared:
            yield
            return
        path = folder / f"{self.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path):
            yield

    def load(self, folder: Path) -> tuple[Network, tuple[float, ...]] | None:
        """The network and its learning curve; None if it is still to be trained."""
        path = folder / self.weights
        if not path.exists():
            return None
        return Network.load(str(path)), tuple(json.loads((folder / self.curve).read_text()))

    def save(self, folder: Path, network: Network, curve: tuple[float, ...]) -> None:
        """Keeps what ``load`` gives."""
        write_at_once(folder / self.curve, lambda path: path.write_text(json.dumps(curve)))
        # Last: where there are weights, there is a curve.
        write_at_once(folder / self.weights, lambda path: network.save(str(path)))
