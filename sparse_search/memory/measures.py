"""Every definition of working memory and of model size, by name, side by side.

Papers count different things under one word. Each figure here is a name for exactly one way of
counting, so that any model can be compared with any published table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .plan import MemoryPlan


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to count bytes.

    Attributes:
        subject: What is counted.
        text: How, and whose definition it is.
        of: The figure of a plan, in bytes.
    """

    subject: Literal["working memory", "model size"]
    text: str
    of: Callable[[MemoryPlan], int]


MEASURES = MappingProxyType(
    {
        "arena": Measure(
            "working memory",
            "exact RAM: input, every live tensor, scratch, alignment",
            lambda plan: plan.arena_bytes,
        ),
        "persistent": Measure(
            "working memory",
            "RAM beside the arena that lasts: multipliers and shifts, which TFLM computes itself",
            lambda plan: plan.persistent_bytes,
        ),
        "in+weights": Measure(
            "working memory",
            "SpArSe: most inputs + nonzero weights + biases of a weighted operator, 1 B each",
            lambda plan: plan.in_weights_bytes,
        ),
        "in+out": Measure(
            "working memory",
            "SpArSe: most inputs + outputs of an operator",
            lambda plan: plan.in_out_bytes,
        ),
        "live-no-input": Measure(
            "working memory",
            "μNAS: most live tensors, network input not counted",
            lambda plan: plan.live_no_input_bytes,
        ),
        "nonzeros": Measure(
            "model size",
            "SpArSe: nonzero weights and biases at 1 B each, indices not counted",
            lambda plan: plan.nonzeros,
        ),
        "int8-dense": Measure(
            "model size",
            "weights at 1 B and biases at 4 B, pruned or not",
            lambda plan: plan.int8_dense_bytes,
        ),
        "flash": Measure(
            "model size",
            "exact flash data: encoded weights, biases, multipliers, shifts, parameter records",
            lambda plan: plan.flash_bytes,
        ),
    }
)


def definitions(plan: MemoryPlan) -> dict[str, int]:
    """Bytes of ``plan`` by the name of the definition, working memory first."""
    return {name: measure.of(plan) for name, measure in MEASURES.items()}
