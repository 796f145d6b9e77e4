"""The sieve, its repairs, random candidates, the first candidates and morphs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from morphisms.depth import RemoveLayer
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, DepthwiseConv2D
from sparse_search.candidate import Candidate, PruningStep, Recipe
from sparse_search.errors import InfeasibleError
from sparse_search.forecast import Forecaster
from sparse_search.interfaces import Site
from sparse_search.search.feasible import REPAIR, Sieve, narrow_all
from sparse_search.search.features import capacity
from sparse_search.search.initial import draw_feasible, initial_candidate, random_candidate
from sparse_search.search.pool import Morpher, draw_morphs
from sparse_search.space import PruningRange, RecipeRange, SearchSpace
from sparse_search.target import Limits


@dataclass(frozen=True)
class Zeroes:
    """A pruner that zeroes what it is asked for."""

    name: str = "zeroes"

    def predict(self, graph, step):
        """The same graph."""
        return graph, {op.name: step.sparsity for op in graph.weighted}


@dataclass(frozen=True)
class OneMoreFilter:
    """A morphism: one filter more in any layer of the first block."""

    name: str = "one_more_filter"

    def sites(self, architecture, space):
        """Every layer of the first block, valid or not."""
        return [Site(0, i) for i in range(len(architecture.blocks[0].layers))]

    def apply(self, architecture, site):
        """The architecture with the wider layer."""
        block = architecture.blocks[0]
        layers = list(block.layers)
        layers[site.layer] = replace(layers[site.layer], filters=layers[site.layer].filters + 1)
        return replace(architecture, blocks=(replace(block, layers=tuple(layers)),))


@dataclass(frozen=True)
class Impossible:
    """A morphism whose children are never in the space."""

    name: str = "impossible"

    def sites(self, architecture, space):
        """One site."""
        return [Site()]

    def apply(self, architecture, site):
        """An architecture with too many hidden layers."""
        return replace(architecture, hidden=(10,) * 9)


SPACE = SearchSpace((12, 12, 1), 4, pruning=(PruningRange("zeroes", 0.5, 0.1),))
FORECASTER = Forecaster(SPACE, (Zeroes(),))
TINY = SearchSpace(
    (6, 6, 1),
    2,
    max_blocks=1,
    max_layers=1,
    max_filters=3,
    kinds=("conv",),
    kernels=(3,),
    strides=(1,),
    paddings=("same",),
    pools=("none",),
    input_pools=(1,),
    heads=("average",),
    max_hidden=0,
    pruning=(),
    branches=("none",),
    fc_branches=("none",),
    recipes=RecipeRange.fixed(),
)


def network(*filters):
    """One block of 3 x 3 convolutions."""
    layers = tuple(Conv2D(count, 3) for count in filters)
    return SPACE.canonical(Architecture((ConvBlock(layers, "max"),), (20,)))


def sieve(limits, known=(), forecaster=FORECASTER):
    """A fresh sieve."""
    return Sieve(forecaster, limits, known)


def test_what_fits_passes_unchanged_and_once():
    """A feasible candidate comes back as it is; again, or known before, it does not."""
    candidate = Candidate(3, network(4))
    gate = sieve(Limits(ram_bytes=4096))
    assert gate.admit(candidate).candidate == candidate
    assert gate.admit(replace(candidate, id=9, parent=3, origin="morph")) is None
    assert sieve(Limits(), [candidate]).admit(replace(candidate, id=9)) is None
    assert (gate.admitted, gate.duplicates, gate.repaired, gate.dropped) == (1, 1, 0, 0)


def test_other_sparsities_are_other_candidates():
    """The same network pruned differently is not a duplicate."""
    gate, candidate = sieve(Limits()), Candidate(0, network(4))
    assert gate.admit(candidate)
    assert gate.admit(replace(candidate, pruning=(PruningStep("zeroes", 0.1),)))


@pytest.mark.parametrize("limits", [Limits(1200), Limits(None, 1500), Limits(700, 800, "nonzeros")])
def test_what_is_too_large_is_narrowed_until_it_fits(limits):
    """A repaired candidate keeps every limit, its depth, kernels and pruning, and says so."""
    pruning = (PruningStep("zeroes", 0.2),)
    candidate = Candidate(
        1, network(40, 30), pruning, origin="morph", parent=0, morphisms=("widen",)
    )
    gate = sieve(limits)
    repaired = gate.admit(candidate)
    assert limits.check(repaired.plan) == []
    assert repaired.plan == FORECASTER.plan(repaired.candidate)
    assert repaired.candidate.morphisms == ("widen", REPAIR)
    assert repaired.candidate.pruning == pruning
    assert repaired.candidate.architecture == SPACE.canonical(repaired.candidate.architecture)
    layers = repaired.candidate.architecture.blocks[0].layers
    assert [layer.kernel for layer in layers] == [3, 3]
    assert gate.repaired == 1


def test_narrowing_ends_at_the_smallest_widths():
    """Every width goes down until it is the smallest; then the network stays as it is."""
    architecture = network(3, 2)
    for _ in range(30):
        smaller = narrow_all(architecture, SPACE, 0.95)
        if smaller == architecture:
            break
        assert SPACE.build(smaller).parameters < SPACE.build(architecture).parameters
        architecture = smaller
    assert [layer.filters for layer in architecture.blocks[0].layers] == [1, 1]
    assert architecture.hidden == (10,)


def test_what_cannot_be_repaired_is_dropped_and_counted():
    """A limit below the smallest widths drops the candidate."""
    gate = sieve(Limits(ram_bytes=70))
    assert gate.admit(Candidate(0, network(10))) is None
    assert gate.dropped == 1
    assert "0 feasible candidates (0 of them repaired), 1 infeasible" in gate.report()


def test_impossible_limits_name_the_limit_and_the_smallest_network():
    """The error says which limit no network keeps, and what the smallest one takes."""
    gate = sieve(Limits(100, 100_000))
    assert draw_feasible(SPACE, gate, 2, 0, np.random.default_rng(0)) == []
    smallest = FORECASTER.plan(Candidate(0, SPACE.smallest()))
    message = str(gate.error())
    assert "even the smallest network of the space breaks the limit of arena_bytes" in message
    assert f"arena_bytes {smallest.arena_bytes}" in message
    assert f"flash_bytes {smallest.flash_bytes}" in message
    assert "arena_bytes <= 100" in message


def test_an_exhausted_space_says_so():
    """When every network is known the error does not blame a limit."""
    forecaster = Forecaster(TINY, ())
    gate = sieve(Limits(), forecaster=forecaster)
    found = draw_feasible(TINY, gate, 50, 0, np.random.default_rng(0))
    known = [forecast.candidate for forecast in found]
    assert len(known) == 3
    with pytest.raises(InfeasibleError, match="no new candidate is left"):
        initial_candidate(forecaster, Limits(), known, 3, np.random.default_rng(1))


def test_the_tightest_limit_is_the_one_that_most_candidates_broke():
    """Where the smallest network fits but nothing new does, the limit in the way is named."""
    forecaster = Forecaster(TINY, ())
    small = Candidate(0, TINY.canonical(Architecture((ConvBlock((Conv2D(1, 3),)),), (), "average")))
    plan = forecaster.plan(small)
    gate = sieve(Limits(plan.arena_bytes, 10**6), [small], forecaster)
    assert draw_feasible(TINY, gate, 5, 1, np.random.default_rng(0)) == []
    assert "the tightest is arena_bytes" in str(gate.error())


def test_random_candidates_are_trained_from_scratch():
    """A random candidate has no parent, keeps the limits, and is new."""
    limits = Limits(600, 900)
    found = draw_feasible(SPACE, sieve(limits), 30, 5, np.random.default_rng(0))
    assert len({f.candidate.key for f in found}) == 30
    for forecast in found:
        candidate = forecast.candidate
        assert (candidate.id, candidate.origin, candidate.parent) == (5, "random", None)
        assert candidate.morphisms == ()
        assert limits.check(forecast.plan) == []
        assert SPACE.contains(candidate.architecture)


def test_first_candidates_are_spread_and_promising():
    """Their sizes cover the budget, and their capacity is above that of random candidates."""
    limits, rng = Limits(1024, 2048), np.random.default_rng(0)
    known = []
    for number in range(8):
        known.append(initial_candidate(FORECASTER, limits, known, number, rng))
    plans = [FORECASTER.plan(candidate) for candidate in known]
    sizes = [plan.flash_bytes for plan in plans]
    assert max(sizes) > 0.7 * 2048
    assert max(sizes) > 1.5 * min(sizes)
    assert all(limits.check(plan) == [] for plan in plans)
    others = draw_feasible(SPACE, sieve(limits), 40, 0, rng)
    assert np.median([capacity(p) for p in plans]) > np.median([capacity(f.plan) for f in others])


def test_random_candidates_may_be_pruned():
    """About half of them use a method that the space has."""
    rng = np.random.default_rng(0)
    pruned = [bool(random_candidate(SPACE, 0, rng).pruning) for _ in range(60)]
    assert 10 < sum(pruned) < 50


PARENT = Candidate(4, network(4, 5), (PruningStep("zeroes", 0.2),))


def morpher(*morphisms, steps=1, pruning=0.0, recipe=0.0):
    """A morpher of the given morphisms."""
    return Morpher(
        SPACE,
        morphisms,
        max_steps=steps,
        pruning_probability=pruning,
        recipe_probability=recipe,
    )


def test_a_morph_remembers_its_parent_and_its_steps():
    """Each step is one valid edit; a child inherits pruning and is told from whom."""
    rng = np.random.default_rng(0)
    widened = set()
    for _ in range(40):
        child = morpher(OneMoreFilter(), Impossible(), steps=3).draw(PARENT, 9, rng)
        if child is None:
            continue
        assert (child.id, child.parent, child.origin) == (9, 4, "morph")
        assert child.pruning == PARENT.pruning
        assert set(child.morphisms) == {"one_more_filter"}
        filters = [layer.filters for layer in child.architecture.blocks[0].layers]
        assert sum(filters) == 9 + len(child.morphisms)
        widened.add(len(child.morphisms))
    assert widened == {1, 2, 3}


def test_steps_that_lead_out_of_the_space_are_skipped():
    """Where no edit is valid there is no morph."""
    rng = np.random.default_rng(0)
    assert morpher(Impossible()).draw(PARENT, 9, rng) is None


def test_sparsities_are_morphed_too():
    """Levels move up, down and to none; the network stays and keeps its weights."""
    rng, seen = np.random.default_rng(0), set()
    for _ in range(120):
        child = morpher(pruning=1.0).draw(PARENT, 9, rng)
        if child is None:
            continue
        assert (child.architecture, child.recipe, child.parent) == (
            PARENT.architecture,
            Recipe(),
            4,
        )
        if child.morphisms == ("sparsity_zeroes",):
            seen.add(child.sparsity("zeroes"))
            assert not any(step.layers for step in child.pruning)
        else:
            assert child.morphisms == ("layer_sparsity_zeroes",)
    assert seen <= set(SPACE.pruning[0].levels) - {0.2}
    assert {0.0, 0.1, 0.3} <= seen


def test_single_operators_get_a_sparsity_of_their_own():
    """One prunable operator differs from the others, at a level of the space."""
    rng, seen = np.random.default_rng(1), set()
    for _ in range(120):
        child = morpher(pruning=1.0).draw(PARENT, 9, rng)
        if child is not None and "layer_sparsity_zeroes" in child.morphisms:
            ((name, fraction),) = child.pruning[0].layers
            assert (child.sparsity("zeroes"), fraction != 0.2) == (0.2, True)
            assert fraction in SPACE.pruning[0].levels
            seen.add(name)
    assert seen == {"conv1", "conv2", "dense1", "output"}


def test_exceptions_of_operators_that_are_gone_are_dropped():
    """A morph without its parent's layer has no sparsity for it, and its plan can be predicted."""
    own = PruningStep("zeroes", 0.2, (("conv2", 0.4), ("dense1", 0.1)))
    parent, rng = replace(PARENT, pruning=(own,)), np.random.default_rng(0)
    child = morpher(RemoveLayer()).draw(parent, 9, rng)
    assert child.pruning == (PruningStep("zeroes", 0.2, (("dense1", 0.1),)),)
    assert FORECASTER.plan(child)


def test_recipes_are_morphed_too():
    """A step changes one training parameter to the next value."""
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        child = morpher(recipe=1.0).draw(PARENT, 9, rng)
        assert child.architecture == PARENT.architecture
        assert child.morphisms == ("recipe",)
        assert child.recipe in SPACE.recipes.neighbours(PARENT.recipe)
        seen.add(child.recipe)
    assert len(seen) == len(SPACE.recipes.neighbours(PARENT.recipe))


def test_without_repair_what_is_too_large_is_dropped():
    """A morph that may change nothing but its pruning is not narrowed."""
    gate = sieve(Limits(1200))
    assert gate.admit(Candidate(0, network(40, 30)), repair=False) is None
    assert (gate.dropped, gate.repaired) == (1, 0)
    assert gate.admit(Candidate(0, network(40, 30)))


def test_narrowing_knows_widths_depthwise_layers_and_branches():
    """Widths are those of the space; depthwise layers and second paths stay."""
    space = replace(SPACE, widths=(4, 8, 16))
    layers = (Conv2D(16, 3), DepthwiseConv2D(3), Conv2D(8, 3))
    wide = Architecture((ConvBlock(layers, branch="conv3", fc_branch="max"),))
    narrow = narrow_all(space.canonical(wide), space, 0.8)
    (block,) = narrow.blocks
    assert [getattr(layer, "filters", None) for layer in block.layers] == [8, None, 4]
    assert (block.branch, block.fc_branch) == ("conv3", space.canonical(wide).blocks[0].fc_branch)
    assert space.contains(narrow)
    assert narrow_all(narrow_all(narrow, space, 0.3), space, 0.3).blocks[0].layers[2].filters == 4


def test_a_space_without_pruning_has_no_sparsity_morphs():
    """Asking for them changes nothing and raises nothing."""
    bare = Morpher(TINY, (), max_steps=2, pruning_probability=1.0)
    assert bare.draw(Candidate(0, TINY.smallest()), 1, np.random.default_rng(0)) is None


def test_parents_are_drawn_by_their_weights():
    """A parent of ninefold weight has about nine in ten of the morphs."""
    parents = [Candidate(0, network(3, 3)), Candidate(1, network(20, 20))]
    weights, rng = np.array([1.0, 9.0]), np.random.default_rng(0)
    maker = morpher(OneMoreFilter(), steps=3, pruning=0.5)
    found = draw_morphs(maker, sieve(Limits()), parents, weights, 60, 7, rng)
    shares = np.bincount([f.candidate.parent for f in found], minlength=2) / len(found)
    assert shares[1] > 0.7
    assert shares[0] > 0
