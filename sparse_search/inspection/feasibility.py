"""What the smallest networks for an input need, and which boards have it."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..boards import BOARDS
from ..memory import MemoryPlan, plan_memory
from ..sampling import simple_architectures
from ..space import SearchSpace
from ..target import Limits, Target


@dataclass(frozen=True)
class Feasibility:
    """The plans of the smallest networks.

    Attributes:
        least_flash: The plan with the fewest ``flash_bytes``; of equal ones that with the smallest
            arena, then with the fewest MACs.
        least_arena: The same by ``arena_bytes``, then flash, then MACs.
        boards: That can hold one of the networks.
        too_small: The other boards.
    """

    least_flash: MemoryPlan
    least_arena: MemoryPlan
    boards: tuple[Target, ...]
    too_small: tuple[Target, ...]


def find_feasibility(space: SearchSpace, boards: Iterable[Target] | None = None) -> Feasibility:
    """Plans every network of equal blocks of one narrow layer, unpruned.

    Pruning could take some bytes of flash more, and none of the input, which is most of the arena.

    Args:
        space: For the input and the classes in question.
        boards: Which boards are asked; None for all that are known.

    Raises:
        ArchitectureError: No network of the space fits the input.
    """
    networks = dict.fromkeys(space.canonical(a) for a in simple_architectures(space))
    plans = [plan_memory(space.build(network)) for network in networks]
    holding: list[Target] = []
    too_small: list[Target] = []
    for board in BOARDS.values() if boards is None else boards:
        limits = Limits.of_target(board)
        fits = any(not limits.check(plan) for plan in plans)
        (holding if fits else too_small).append(board)
    return Feasibility(
        least_flash=min(plans, key=lambda plan: (plan.flash_bytes, plan.arena_bytes, plan.macs)),
        least_arena=min(plans, key=lambda plan: (plan.arena_bytes, plan.flash_bytes, plan.macs)),
        boards=tuple(holding),
        too_small=tuple(too_small),
    )
