"""ModelSize: what the model's constants take, under the definition that is asked for."""

from dataclasses import dataclass
from typing import Literal

from sparse_search.dataset import Dataset
from sparse_search.memory import MEASURES, MemoryPlan
from sparse_search.quantized import QuantizedModel

_NAMES = {"flash": "flash_bytes", "nonzeros": "nonzeros", "int8-dense": "int8_dense_bytes"}


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Size of the model.

    Attributes:
        definition: "flash", the bytes that the exported constants take; "nonzeros", SpArSe's
            count of nonzero weights and biases; "int8-dense", every weight at 1 B and every bias
            at 4 B, pruned or not.
    """

    definition: Literal["flash", "nonzeros", "int8-dense"] = "flash"

    @property
    def name(self) -> str:
        """Name of the figure, one for each definition."""
        return _NAMES[self.definition]

    @property
    def unit(self) -> str:
        """Bytes; numbers for "nonzeros"."""
        return "numbers" if self.definition == "nonzeros" else "B"

    def measure(self, model: QuantizedModel, plan: MemoryPlan, dataset: Dataset) -> float:
        """Size by the model's own plan."""
        return self.predict(plan)

    def predict(self, plan: MemoryPlan) -> float:
        """Size by a predicted plan: exact, or for "flash" at least the size after pruning."""
        return float(MEASURES[self.definition].of(plan))
