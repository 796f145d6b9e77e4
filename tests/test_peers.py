"""Optuna's samplers as peers: what they spell, and how they are told."""

from dataclasses import replace

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from experiments.peers import PEERS, OptunaSearcher, suggest_candidate  # noqa: E402
from pruning import PRUNERS  # noqa: E402
from sparse_search.architecture import DepthwiseConv2D  # noqa: E402
from sparse_search.candidate import Evaluation, Rejection  # noqa: E402
from sparse_search.forecast import Forecaster  # noqa: E402
from sparse_search.space import RecipeRange, SearchSpace  # noqa: E402
from sparse_search.target import Limits  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = SearchSpace((8, 8, 1), 10)
SMALL = replace(
    SPACE,
    max_blocks=1,
    max_layers=1,
    widths=(2, 4),
    kinds=("conv",),
    kernels=(3,),
    strides=(1,),
    paddings=("same",),
    pools=("none",),
    branches=("none",),
    fc_branches=("none",),
    input_pools=(1,),
    heads=("flatten", "average"),
    max_hidden=0,
    pruning=(),
    recipes=RecipeRange.fixed(),
)
"""Four networks."""
LIMITS = Limits(2048, 4096)
NAMES = ("val_error", "flash_bytes", "arena_bytes")


def ask(conditional, count=150):
    """Candidates, or None, that random parameters spell; and the trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(count)]
    return [(suggest_candidate(t, SPACE, 7, conditional), t) for t in trials]


@pytest.mark.parametrize("conditional", [True, False])
def test_suggestions_are_members_of_the_whole_space(conditional):
    """Canonical, with allowed pruning and recipe; every choice of the space turns up."""
    found = [candidate for candidate, _ in ask(conditional) if candidate is not None]
    assert len(found) > 140
    for candidate in found:
        assert candidate.id == 7
        assert SPACE.contains(candidate.architecture)
        assert SPACE.canonical(candidate.architecture) == candidate.architecture
        assert candidate.recipe in SPACE.recipes
        for step in candidate.pruning:
            levels = next(r.levels for r in SPACE.pruning if step.method in r.methods)
            assert step.sparsity in levels
            assert step.sparsity > 0
    blocks = [block for c in found for block in c.architecture.blocks]
    layers = [layer for block in blocks for layer in block.layers]
    assert {layer.kind for layer in layers} == set(SPACE.kinds)
    assert {block.branch for block in blocks} == set(SPACE.branches)
    assert {block.fc_branch for block in blocks} == set(SPACE.fc_branches)
    assert {len(c.architecture.hidden) for c in found} == {0, 1, 2}
    assert any(isinstance(layer, DepthwiseConv2D) for layer in layers)


def test_conditional_suggestions_ask_for_what_exists_only():
    """The blocks, layers and hidden layers that are absent have no parameters."""
    for _, trial in ask(True, 40):
        asked = {int(name[5]) for name in trial.params if name.startswith("block") and "." in name}
        assert asked == set(range(trial.params["blocks"]))
        hidden = {name for name in trial.params if name.startswith("hidden") and name != "hidden"}
        assert len(hidden) == trial.params["hidden"]


def test_flat_suggestions_ask_for_everything():
    """All trials have the same parameters, so a sampler can model every one of them."""
    assert len({frozenset(trial.params) for _, trial in ask(False, 40)}) == 1


def searcher(name, space=SPACE, limits=LIMITS):
    """A fresh search by a peer."""
    return OptunaSearcher(PEERS[name], Forecaster(space, PRUNERS), limits, NAMES, seed=3)


def evaluate(candidate, space=SPACE):
    """Exact sizes and a made-up error."""
    plan = Forecaster(space, PRUNERS).plan(candidate)
    error = float(1 / (1 + np.log2(1 + plan.macs)))
    figures = (error, float(plan.flash_bytes), float(plan.arena_bytes))
    return Evaluation(candidate, dict(zip(NAMES, figures, strict=True)))


@pytest.mark.parametrize("name", list(PEERS))
def test_peers_propose_new_candidates_within_the_limits(name):
    """What is too large is narrowed; the same seed proposes the same."""
    runs = []
    for _ in range(2):
        peer, keys = searcher(name), []
        for number in range(12):
            candidate = peer.propose(number)
            assert candidate.id == number
            assert Forecaster(SPACE, PRUNERS).violations(candidate, LIMITS) == []
            keys.append(candidate.key)
            peer.record(evaluate(candidate))
        assert len(set(keys)) == 12
        runs.append(keys)
    assert runs[0] == runs[1]


def test_only_small_spaces_are_asked_for_all_parameters_of_the_gaussian_process():
    """In a large one that would take half a minute for each proposal."""
    for space, flat in ((SMALL, True), (SPACE, False)):
        assert (space.max_blocks * space.max_layers <= PEERS["optuna-gp"].flat_layers) == flat


def test_known_suggestions_cost_nothing_and_the_end_of_the_space_is_an_error():
    """All four networks of a space are found, then there is nothing left."""
    peer = searcher("optuna-tpe", SMALL, Limits())
    found = []
    for number in range(4):
        found.append(peer.propose(number))
        peer.record(evaluate(found[-1], SMALL))
    assert len({candidate.key for candidate in found}) == 4
    with pytest.raises(RuntimeError, match="only known ones"):
        peer.propose(4)
    assert peer.useless >= 250


def test_rejections_are_told_as_failed():
    """The search goes on."""
    peer = searcher("optuna-nsga2")
    first = peer.propose(0)
    peer.record(Rejection(first, "diverged", "the loss is not finite"))
    assert peer.propose(1).id == 1
