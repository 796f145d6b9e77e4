"""ValidationError: how often the deployed model is wrong."""

from dataclasses import dataclass

from sparse_search.dataset import Dataset
from sparse_search.memory import MemoryPlan
from sparse_search.quantized import QuantizedModel, error_rate


@dataclass(frozen=True, slots=True)
class ValidationError:
    """Fraction of the validation images that the int8 model misclassifies, in C's arithmetic."""

    name: str = "val_error"
    unit: str = "fraction"

    def measure(self, model: QuantizedModel, plan: MemoryPlan, dataset: Dataset) -> float:
        """The fraction, in [0, 1]."""
        return error_rate(model, dataset.validation)

    def predict(self, plan: MemoryPlan) -> float | None:
        """None: only a trained model tells."""
        return None
