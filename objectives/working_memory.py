"""WorkingMemory: what one inference needs in RAM, under the definition that is asked for."""

from dataclasses import dataclass

from sparse_search.dataset import Dataset
from sparse_search.memory import MEASURES, MemoryPlan
from sparse_search.quantized import QuantizedModel
from sparse_search.target import MEMORY_FIGURES, MemoryDefinition


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """Working memory of the model.

    Attributes:
        definition: "arena", what the exported C needs, exactly; "in+weights" and "in+out",
            SpArSe's; "live-no-input", that of μNAS.
    """

    definition: MemoryDefinition = "arena"

    @property
    def name(self) -> str:
        """Name of the figure, one for each definition."""
        return MEMORY_FIGURES[self.definition]

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
