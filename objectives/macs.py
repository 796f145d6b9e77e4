"""Macs: how much one inference computes."""

from dataclasses import dataclass

from sparse_search.dataset import Dataset
from sparse_search.memory import MemoryPlan
from sparse_search.quantized import QuantizedModel


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates of one inference; those with zero weights are counted."""

    name: str = "macs"
    unit: str = "MACs"

    def measure(self, model: QuantizedModel, plan: MemoryPlan, dataset: Dataset) -> float:
        """Multiply-accumulates by the model's own plan."""
        return self.predict(plan)

    def predict(self, plan: MemoryPlan) -> float:
        """Multiply-accumulates by a predicted plan."""
        return float(plan.macs)
