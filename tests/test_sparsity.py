"""Pruning settings and recipes: what may be chosen, drawn and changed."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import members, seeds

from sparse_search.architecture import Architecture, Conv2D, ConvBlock, DepthwiseConv2D
from sparse_search.architecture import InputTransform as Input
from sparse_search.candidate import Candidate, PruningStep, Recipe
from sparse_search.groups import channel_groups
from sparse_search.search.steps import change_pruning
from sparse_search.space import PruningRange, RecipeRange, SearchSpace
from sparse_search.sparsity import keep_targets, sparsity_targets

SPACE = SearchSpace((32, 32, 3), 10)


def graph_of(*blocks, **options):
    """A network with a hidden layer."""
    return SPACE.build(Architecture(blocks, (20,), **options))


@pytest.mark.parametrize(
    ("graph", "channels", "magnitude"),
    [
        (
            graph_of(ConvBlock((Conv2D(4, 3), DepthwiseConv2D(3))), input=Input(2, "grey")),
            ["conv1", "dense1"],
            ["conv1", "dense1", "output"],
        ),
        (
            graph_of(ConvBlock((Conv2D(4, 3), Conv2D(6, 3)), branch="conv3")),
            ["conv1", "conv2", "dense1"],
            ["conv1", "conv2", "branch1", "dense1", "output"],
        ),
        (
            graph_of(ConvBlock((Conv2D(4, 3),)), ConvBlock((Conv2D(4, 3),), branch="shortcut")),
            ["conv1", "dense1"],
            ["conv1", "conv2", "dense1", "output"],
        ),
        (
            graph_of(ConvBlock((Conv2D(3, 3),), branch="shortcut")),
            ["dense1"],
            ["conv1", "dense1", "output"],
        ),
    ],
    ids=["grey and depthwise", "parallel", "shortcut", "shortcut of the input"],
)
def test_targets_are_what_a_method_can_prune_by_itself(graph, channels, magnitude):
    """Of operators that must lose the same channels, the first stands for all."""
    assert list(sparsity_targets(graph, "channels")) == channels
    assert list(sparsity_targets(graph, "magnitude")) == magnitude


@settings(deadline=None)
@given(members(), seeds())
def test_drawn_prunings_name_targets_and_keep_the_ranges(member, seed):
    """Sparsities are levels; exceptions name targets and differ from the rest."""
    space, architecture = member
    graph = space.build(architecture)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        pruning = space.sample_pruning(rng, graph)
        assert keep_targets(pruning, graph) == pruning
        for step in pruning:
            levels = next(r.levels for r in space.pruning if step.method in r.methods)
            assert step.sparsity in levels
            for name, sparsity in step.layers:
                assert name in sparsity_targets(graph, step.method)
                assert sparsity in levels
                assert sparsity != step.sparsity


def test_exceptions_are_rare_and_can_be_left_out():
    """About one pruned candidate in five has one; none without a graph or by order."""
    rng = np.random.default_rng(0)
    graph = graph_of(ConvBlock((Conv2D(4, 3), Conv2D(6, 3))))
    steps = [s for _ in range(2000) for s in SPACE.sample_pruning(rng, graph)]
    assert 0.15 < np.mean([bool(step.layers) for step in steps]) < 0.25
    assert all(len(step.layers) <= 1 for step in steps)
    never = replace(SPACE, pruning=(PruningRange("magnitude", 0.9, per_layer=False),))
    for _ in range(100):
        assert not any(step.layers for step in SPACE.sample_pruning(rng))
        assert not any(step.layers for step in never.sample_pruning(rng, graph))


def test_pruning_steps_have_one_spelling():
    """Exceptions are sorted, those that are none are left out, and so are steps without effect."""
    own = {"magnitude": {"output": 0.2, "conv1": 0.5, "dense1": 0.3}, "channels": {"conv1": 0.0}}
    assert SPACE.pruning_steps({"magnitude": 0.3}, own) == (
        PruningStep("magnitude", 0.3, (("conv1", 0.5), ("output", 0.2))),
    )
    assert SPACE.pruning_steps({}, {"channels": {"conv1": 0.5}}) == (
        PruningStep("channels", 0.0, (("conv1", 0.5),)),
    )


def test_exceptions_of_operators_that_are_gone_are_left_out():
    """After a morph, names that the network does not have any more lose their meaning."""
    graph = graph_of(ConvBlock((Conv2D(4, 3),)))
    steps = (
        PruningStep("channels", 0.0, (("conv2", 0.5),)),
        PruningStep("magnitude", 0.3, (("conv1", 0.5), ("conv2", 0.2))),
    )
    assert keep_targets(steps, graph) == (PruningStep("magnitude", 0.3, (("conv1", 0.5),)),)


@settings(deadline=None, max_examples=40)
@given(members())
def test_targets_cover_every_group_that_may_shrink_once(member):
    """One target for each group of channels."""
    space, architecture = member
    graph = space.build(architecture)
    targets = sparsity_targets(graph, "channels")
    free = [set(g.producers) for g in channel_groups(graph) if g.producers and not g.frozen]
    assert Counter(sum(name in group for group in free) for name in targets) == Counter(
        {1: len(free)} if free else {}
    )


def test_recipes_are_the_studys_own_half_of_the_time():
    """Each parameter by itself; what is drawn is in the space, and nothing else is."""
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample_recipe(rng) for _ in range(2000)]
    assert all(recipe in SPACE.recipes for recipe in drawn)
    for field in fields(Recipe):
        own = getattr(Recipe(), field.name)
        assert 0.45 < np.mean([getattr(r, field.name) == own for r in drawn]) < 0.55
    assert Recipe(learning_rate_scale=3.0) not in SPACE.recipes
    fixed = RecipeRange.fixed()
    assert Recipe() in fixed
    assert Recipe(dropout=0.1) not in fixed
    assert replace(SPACE, recipes=fixed).sample_recipe(rng) == Recipe()
    assert fixed.neighbours(Recipe()) == ()


def test_neighbours_differ_in_one_parameter_by_one_step():
    """They are mutual, and lead from any recipe to any other."""
    start = Recipe()
    seen, queue = {start}, [start]
    while queue:
        recipe = queue.pop()
        for other in SPACE.recipe_neighbours(recipe):
            assert other in SPACE.recipes
            assert recipe in SPACE.recipe_neighbours(other)
            assert (
                sum(getattr(recipe, f.name) != getattr(other, f.name) for f in fields(Recipe)) == 1
            )
            if other not in seen:
                seen.add(other)
                queue.append(other)
    r = SPACE.recipes
    assert len(seen) == np.prod(
        [len(getattr(r, f.name)) for f in fields(RecipeRange)], dtype=np.int64
    )


CHOICE = replace(
    SPACE,
    pruning=(
        PruningRange("channels", 0.5, alternatives=("taylor",)),
        PruningRange("magnitude", 0.9, alternatives=("feedback", "variational")),
    ),
)


def test_a_candidate_names_one_method_of_each_kind():
    """Drawn ones and changed ones; all methods come up, and every combination."""
    rng = np.random.default_rng(0)
    graph = graph_of(ConvBlock((Conv2D(4, 3), Conv2D(6, 3))))
    architecture = Architecture((ConvBlock((Conv2D(4, 3), Conv2D(6, 3))),), (20,))
    drawn = Counter()
    candidate = Candidate(0, architecture)
    for _ in range(600):
        candidate = change_pruning(candidate, CHOICE, rng)
        for pruning in (candidate.pruning, CHOICE.sample_pruning(rng, graph)):
            names = [step.method for step in pruning]
            for r in CHOICE.pruning:
                assert sum(name in r.methods for name in names) <= 1
            drawn[tuple(names)] += 1
    assert len(drawn) == 3 * 4  # (none or one of 2) x (none or one of 3)


def test_another_method_keeps_the_sparsities():
    """A change of the method changes nothing else, exceptions included, and is named so."""
    rng = np.random.default_rng(1)
    steps = (PruningStep("magnitude", 0.4, (("conv1", 0.2),)),)
    start = Candidate(0, Architecture((ConvBlock((Conv2D(4, 3),)),)), steps)
    children = [change_pruning(start, CHOICE, rng) for _ in range(300)]
    swapped = [c for c in children if c.morphisms == ("method",)]
    assert {c.pruning[0].method for c in swapped} == {"feedback", "variational"}
    assert all(replace(c.pruning[0], method="magnitude") == steps[0] for c in swapped)
    one = replace(SPACE, pruning=(PruningRange("magnitude", 0.9),))
    only = [change_pruning(start, one, rng) for _ in range(300)]
    assert not any(c.morphisms == ("method",) for c in only)
