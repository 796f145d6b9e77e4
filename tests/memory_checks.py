"""What every memory plan must keep."""

from sparse_search.graph import Graph
from sparse_search.memory import KernelLibrary, MemoryPlan
from sparse_search.memory.overlap import find_leads


def check_no_harm(plan: MemoryPlan, graph: Graph) -> None:
    """No allocation harms one that exists with it; all lie in the arena."""
    leads = find_leads(graph) if plan.kernels is KernelLibrary.RUNTIME else {}
    for index, a in enumerate(plan.allocations):
        assert a.offset_bytes % plan.alignment_bytes == 0
        assert a.offset_bytes + a.size_bytes <= plan.arena_bytes
        for b in plan.allocations[:index]:
            if a.first <= b.last and b.first <= a.last:
                lead = leads.get((a.name, b.name), a.size_bytes)
                assert (
                    a.offset_bytes + lead <= b.offset_bytes
                    or b.offset_bytes + b.size_bytes <= a.offset_bytes
                )
