"""WorkingMemory: what one inference needs in RAM, under the definition that is asked for."""

from dataclasses import dataclass
from typing import Literal

from sparse_search.dataset import Dataset
from sparse_search.memory import MEASURES, MemoryPlan
from sparse_search.quantized import QuantizedModel

_NAMES = {
    "arena": "arena_bytes",
    "in+weights": "in_weights_bytes",
    "in+out": "in_out_bytes",
    "live-no-input": "live_no_input_bytes",
}


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """Working memory of the model.

    Attributes:
        definition: "arena", what the exported C needs, exactly; "in+weights" and "in+out",
            SpArSe's; "live-no-input", that of μNAS.
    """

    definition: Literal["arena", "in+weights", "in+out", "live-no-input"] = "arena"

    @property
    def name(self) -> str:
        """Name of the figure, one for each definition."""
        return _NAMES[self.definition]

    @property
    def unit(self) -> str:
        """Bytes."""
        return "B"

    def measure(self, model: QuantizedModel, plan: MemoryPlan, dataset: Dataset) -> float:
        """Working memory by the model's own plan."""
        return self.predict(plan)

    def predict(self, plan: MemoryPlan) -> float:
        """Working memory by a predicted plan."""
        return float(MEASURES[self.definition].of(plan))
