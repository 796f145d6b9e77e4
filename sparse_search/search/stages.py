"""The three stages of SpArSe's search (arXiv:1905.12107).

1. Random candidates, and morphs of any earlier one.
2. Morphs that change nothing but pruning.
3. Morphs whose parents are Pareto-optimal.

A stage that finds nothing new gives way to the next; after the last one comes the first again, so
that a search ends only when nothing is left.
"""

FIRST, PRUNING_ONLY, PARETO_PARENTS = 1, 2, 3
_FIRST_SHARE, _PRUNING_SHARE = 0.5, 0.15


def stages_for_budget(candidates: int) -> tuple[int, int]:
    """How many of so many candidates are in stages 1 and 2; the others are in stage 3.

    >>> stages_for_budget(100)
    (50, 15)
    """
    return round(_FIRST_SHARE * candidates), round(_PRUNING_SHARE * candidates)


def stage_order(lengths: tuple[int, int], candidates: int) -> tuple[int, ...]:
    """Stages to try when there are so many candidates, the planned one first.

    Args:
        lengths: Candidates in stages 1 and 2, the initial ones included.
        candidates: How many there are.

    >>> stage_order((10, 5), 9), stage_order((10, 5), 12), stage_order((10, 5), 40)
    ((1, 2, 3), (2, 3, 1), (3, 1))
    """
    if candidates < lengths[0]:
        return (FIRST, PRUNING_ONLY, PARETO_PARENTS)
    if candidates < sum(lengths):
        return (PRUNING_ONLY, PARETO_PARENTS, FIRST)
    return (PARETO_PARENTS, FIRST)
