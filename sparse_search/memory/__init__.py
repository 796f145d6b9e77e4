"""Memory: which bytes a model needs in RAM and in flash, exactly and before anything is trained."""

from .costs import LayerCost
from .kernels import OUTPUT_BLOCK, KernelLibrary
from .measures import MEASURES, Measure, definitions
from .order import in_best_order
from .plan import Allocation, MemoryPlan, Peak, all_plans, plan_memory

__all__ = [
    "MEASURES",
    "OUTPUT_BLOCK",
    "Allocation",
    "KernelLibrary",
    "LayerCost",
    "Measure",
    "MemoryPlan",
    "Peak",
    "all_plans",
    "definitions",
    "in_best_order",
    "plan_memory",
]
