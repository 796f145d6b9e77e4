"""Plausible evaluations for tests of reports: errors fall with size, some trainings fail."""

import numpy as np

from sparse_search.candidate import Candidate, Evaluation
from sparse_search.finals import FIRST_FINAL_ID
from sparse_search.memory import plan_memory
from sparse_search.space import SearchSpace

SPACE = SearchSpace((28, 28, 1), 10, pruning=())
OBJECTIVES = ("val_error", "flash_bytes", "arena_bytes")


def evaluation(candidate_id: int, seed: int = 0, *, final: bool = False) -> Evaluation:
    """A made-up error for the exact sizes of a random small network."""
    rng = np.random.default_rng([seed, candidate_id])
    while True:
        architecture = SPACE.sample(rng)
        plan = plan_memory(SPACE.build(architecture), sparsity=float(rng.uniform(0, 0.8)))
        if plan.flash_bytes < 2500 and plan.arena_bytes < 2500:
            break
    capacity = np.log2(plan.nonzeros) + 0.5 * np.log2(plan.arena_bytes) + 0.2 * np.log2(plan.macs)
    error = float(np.exp(6.2 - 0.47 * capacity + 0.35 * rng.normal() - 0.4 * final))
    error = 0.9 if rng.random() < 0.08 and not final else min(error, 0.9)
    names = [*OBJECTIVES[1:], "nonzeros", "int8_dense_bytes", "in_weights_bytes", "in_out_bytes"]
    names += ["live_no_input_bytes", "macs", "parameters"]
    metrics = {name: float(getattr(plan, name)) for name in names}
    objectives = {"val_error": round(error, 4)}
    objectives |= {name: metrics[name] for name in OBJECTIVES[1:]}
    candidate = Candidate(candidate_id, architecture, effort="final" if final else "search")
    return Evaluation(candidate, objectives, metrics)


def evaluations(count: int, finals: int = 0, seed: int = 0) -> list[Evaluation]:
    """``count`` of the search and ``finals`` of the final phase."""
    found = [evaluation(i, seed) for i in range(count)]
    return found + [evaluation(FIRST_FINAL_ID + i, seed, final=True) for i in range(finals)]
