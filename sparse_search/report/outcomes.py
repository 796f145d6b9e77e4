"""What became of a study's candidates, in lines of plain text."""

from collections import Counter
from itertools import groupby

from ..candidate import STAGES, Candidate, History, Rejection, RejectionKind
from ..finals import search_history

_WORDS: dict[RejectionKind, str] = {
    "infeasible": "over a limit",
    "stopped": "stopped early",
    "diverged": "diverged",
    "unquantizable": "not to be quantized",
    "crashed": "crashed",
    "failed": "failed",
}


def describe_stage(stage: int) -> str:
    """A stage of the search in words; empty for 0, where there are none.

    >>> describe_stage(2)
    'stage 2 of 3: pruning parameters'
    """
    if stage == 0:
        return ""
    name = f": {STAGES[stage - 1]}" if stage <= len(STAGES) else ""
    return f"stage {stage} of {max(stage, len(STAGES))}{name}"


def describe_pruning(candidate: Candidate) -> str:
    """What is removed of a candidate's network, and how its weights are limited; may be empty.

    >>> from sparse_search.architecture import Architecture
    >>> from sparse_search.candidate import PruningStep
    >>> steps = (PruningStep("channels", 0.2), PruningStep("magnitude", 0.44))
    >>> describe_pruning(Candidate(1, Architecture(), steps, codebook_bits=4))
    'channels 20% magnitude 44% 4-bit codebook'
    """
    parts = [f"{step.method} {step.sparsity:.0%}" for step in candidate.pruning]
    if candidate.codebook_bits is not None:
        parts.append(f"{candidate.codebook_bits}-bit codebook")
    return " ".join(parts)


def history_lines(history: History) -> list[str]:
    """How many candidates had which end, which stage proposed which, and why some were rejected.

    Args:
        history: Everything the study did, final candidates included.
    """
    rejections = [o for o in history.outcomes if isinstance(o, Rejection)]
    counts = Counter(rejection.kind for rejection in rejections)
    ends = [f"{len(history.evaluations)} candidates evaluated"]
    ends += [f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts[kind]]
    ends += [f"{len(history.pending)} unfinished"]
    lines = [", ".join(ends), *_stage_lines(history)]
    # Being stopped is how a search saves time and no mishap: a line for each would hide the rest.
    return lines + [
        f"  {rejection.candidate.id}: {rejection.kind}: {rejection.reason}"
        for rejection in rejections
        if rejection.kind != "stopped"
    ]


def _stage_lines(history: History) -> list[str]:
    search = sorted(search_history(history).candidates, key=lambda candidate: candidate.id)
    lines = []
    for stage, group in groupby(search, key=lambda candidate: candidate.stage):
        ids = [candidate.id for candidate in group]
        if stage:
            which = f"{ids[0]} to {ids[-1]}" if len(ids) > 1 else f"{ids[0]}"
            lines.append(f"  {describe_stage(stage)}: candidates {which}")
    return lines
