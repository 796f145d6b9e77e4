"""The encoding: one point for each candidate, dead coordinates marked as such."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import members, restricted_spaces, seeds, spaces

from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DepthwiseConv2D,
    DownsampledConv2D,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.candidate import Candidate, PruningStep, Recipe
from sparse_search.errors import ArchitectureError
from sparse_search.memory import plan_memory
from sparse_search.search.encode import dimension_names, dimensions, encode, slots
from sparse_search.search.features import SUMMARY_NAMES, feature_groups, featurize, summarize
from sparse_search.space import PruningRange, RecipeRange, SearchSpace
from sparse_search.sparsity import sparsity_targets

SPACE = SearchSpace((32, 32, 3), 10)
NO_CHANGE = Recipe()


def random_candidate(number, space, rng):
    """A candidate with everything that may be chosen chosen at random."""
    architecture = space.sample(rng)
    pruning = space.sample_pruning(rng, space.build(architecture))
    return Candidate(number, architecture, pruning, space.sample_recipe(rng))


def coordinates(architecture, pruning=(), space=SPACE, recipe=NO_CHANGE):
    """Value by name of the active coordinates."""
    values, active = encode(space, Candidate(0, architecture, pruning, recipe))
    names = dimension_names(space)
    return {names[i]: values[i] for i in np.flatnonzero(active)}


@settings(deadline=None, max_examples=60)
@given(st.one_of(spaces(), restricted_spaces()), seeds())
def test_codes_are_in_the_unit_cube_and_zero_where_inactive(space, seed):
    """Every member of every space encodes to one value per dimension."""
    try:
        space.smallest()
    except ArchitectureError:
        return
    values, active = encode(space, random_candidate(0, space, np.random.default_rng(seed)))
    assert values.shape == active.shape == (len(dimensions(space)),)
    assert values.dtype == np.float64
    assert active.dtype == np.bool_
    assert ((values >= 0) & (values <= 1)).all()
    assert (values[~active] == 0).all()


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        SearchSpace((28, 28, 1), 10),
        SearchSpace(
            (12, 12, 3),
            3,
            max_blocks=2,
            max_layers=2,
            max_filters=3,
            kernels=(1, 3),
            reductions_percent=(0, 50),
            max_hidden=1,
            hidden_units=(10, 12),
            pruning=(PruningRange("magnitude", 0.4, 0.2),),
            recipes=RecipeRange.fixed(),
        ),
        SearchSpace(
            (12, 12, 3),
            3,
            max_blocks=2,
            max_layers=2,
            widths=(2, 4),
            kinds=("conv", "depthwise"),
            branches=("none", "shortcut"),
            fc_branches=("none", "max"),
            heads=("average", "max"),
            max_hidden=0,
            pruning=(
                PruningRange("channels", 0.4, 0.2, per_layer=False, alternatives=("taylor",)),
            ),
            recipes=RecipeRange((1.0, 2.0), (1.0,), (None, 0.01), (0.0, 0.5)),
        ),
    ],
    ids=["cifar", "mnist", "tiny", "other"],
)
def test_codes_are_equal_exactly_for_equal_candidates(space):
    """Over 1500 samples, two codes are equal if and only if the experiments are."""
    rng = np.random.default_rng(0)
    by_code = {}
    for number in range(1500):
        candidate = random_candidate(number, space, rng)
        values, active = encode(space, candidate)
        code = values.tobytes() + active.tobytes()
        assert by_code.setdefault(code, candidate.key) == candidate.key
    assert len(set(by_code.values())) == len(by_code)
    assert len(by_code) > 500


def test_dimension_names_are_unique():
    """Each coordinate has a name of its own, and its group is what the name says."""
    names = dimension_names(SPACE)
    assert len(set(names)) == len(names)
    groups = {d.name: d.group for d in dimensions(SPACE)}
    assert groups["block4.layer3.filters"] == "filters"
    assert groups["block2.branch.conv3"] == "branch"
    assert groups["input.fc_branch.max"] == groups["block1.fc_branch.none"] == "fc_branch"
    assert groups["recipe.dropout"] == "recipe"
    assert groups["pruning.magnitude"] == "pruning"
    assert groups["block1.layer2.bottleneck.channels"] == "layer_pruning"


def test_only_what_exists_is_active():
    """A slot beyond the last block, layer or hidden layer has no active coordinate."""
    one = Architecture((ConvBlock((Conv2D(10, 3),), "max"),), (200,))
    found = coordinates(one)
    assert not [name for name in found if name.startswith(("block1.layer2", "hidden2"))]
    # What lacks is told by the counts, which always exist.
    assert not [n for n in found if n.startswith("block2") and n != "block2.layers"]
    assert found["blocks"] == 0.25
    assert found["block1.layers"] == pytest.approx(1 / 3)
    assert found["block2.layers"] == 0
    assert found["hidden"] == 0.5
    assert found["hidden1.units"] == 1.0
    assert found["block1.layer1.filters"] == pytest.approx(0.5)
    assert found["block1.pool.max"] == 1
    assert "block1.layer1.reduction" not in found


def test_reductions_exist_for_downsampled_layers_only():
    """The type of a layer decides whether it has a reduction."""
    layers = (DownsampledConv2D(8, 3, reduction_percent=20), SeparableConv2D(8, 3))
    found = coordinates(Architecture((ConvBlock(layers),)))
    assert found["block1.layer1.reduction"] == pytest.approx(0.4)
    assert "block1.layer2.reduction" not in found
    assert found["block1.layer2.kind.separable"] == 1
    assert found["block1.layer2.kind.conv"] == 0


def test_input_head_and_sparsity():
    """Input transform, head and every sparsity have a coordinate, used or not."""
    architecture = Architecture(
        (ConvBlock((Conv2D(1, 7, 2, "valid"),)),), (), "average", InputTransform(4, "grey")
    )
    found = coordinates(architecture, (PruningStep("magnitude", 0.45),))
    assert found["input.pool"] == found["input.grey"] == found["head.average"] == 1
    assert found["head.flatten"] == found["head.max"] == 0
    assert found["pruning.magnitude"] == pytest.approx(0.5)
    assert found["pruning.channels"] == 0
    assert found["block1.layer1.kernel"] == 1


def test_the_method_is_a_choice_without_an_order():
    """One dimension for each method of a kind, active where something is pruned that way."""
    space = replace(
        SPACE, pruning=(PruningRange("magnitude", 0.8, alternatives=("feedback", "variational")),)
    )
    names = dimension_names(space)
    by = [f"pruning.magnitude.by.{method}" for method in ("magnitude", "feedback", "variational")]
    architecture = space.canonical(Architecture((ConvBlock((Conv2D(3, 3),)),)))
    values, active = encode(
        space, Candidate(0, architecture, (PruningStep("feedback", 0.4, (("conv1", 0.8),)),))
    )
    assert [values[names.index(name)] for name in by] == [0.0, 1.0, 0.0]
    assert all(active[names.index(name)] for name in by)
    assert values[names.index("pruning.magnitude")] == pytest.approx(0.5)
    assert values[names.index("block1.layer1.magnitude")] == pytest.approx(1.0)
    _, active = encode(space, Candidate(0, architecture))
    assert not any(active[names.index(name)] for name in by)


def test_branches_and_depthwise_layers():
    """A block has one of its branches; a depthwise layer has no number of filters."""
    block = ConvBlock((DepthwiseConv2D(3),), "max", "conv5", "average")
    found = coordinates(Architecture((block,), input=InputTransform(fc_branch="flatten")))
    assert found["block1.branch.conv5"] == found["block1.fc_branch.average"] == 1
    assert found["block1.branch.none"] == found["block1.fc_branch.none"] == 0
    assert found["input.fc_branch.flatten"] == found["block1.layer1.kind.depthwise"] == 1
    assert "block1.layer1.kernel" in found
    assert "block1.layer1.filters" not in found
    assert "block2.branch.none" not in found


def test_recipes_lie_on_a_log_scale():
    """Factors and decays do, dropout does not; the study's weight decay is no number."""
    one = Architecture((ConvBlock((Conv2D(10, 3),)),))
    found = coordinates(one)
    assert found["recipe.learning_rate"] == pytest.approx(2 / 3)
    assert found["recipe.batch"] == pytest.approx(0.5)
    assert found["recipe.dropout"] == found["recipe.own_weight_decay"] == 0
    assert "recipe.weight_decay" not in found
    found = coordinates(one, recipe=Recipe(0.25, 2.0, 1e-2, 0.3))
    assert found["recipe.learning_rate"] == 0
    assert found["recipe.batch"] == found["recipe.own_weight_decay"] == 1
    assert found["recipe.weight_decay"] == pytest.approx(0.5)
    assert found["recipe.dropout"] == pytest.approx(1.0)


def test_exceptions_are_active_where_they_are():
    """The sparsity of a single operator is a coordinate of the layer that it belongs to."""
    architecture = Architecture(
        (
            ConvBlock((DownsampledConv2D(8, 3), DepthwiseConv2D(3))),
            ConvBlock((SeparableConv2D(9, 3),), branch="conv1"),
        ),
        (20,),
    )
    steps = (
        PruningStep("channels", 0.1, (("conv1", 0.5), ("dense1", 0.25))),
        PruningStep("magnitude", 0.3, (("branch1", 0.45), ("conv3", 0.9), ("output", 0.0))),
    )
    found = coordinates(architecture, steps)
    assert {name: value for name, value in found.items() if groups()[name] == "layer_pruning"} == {
        "block1.layer1.bottleneck.channels": 1.0,
        "hidden1.channels": 0.5,
        "block2.branch.magnitude": 0.5,
        "block2.layer1.magnitude": 1.0,
        "output.magnitude": 0.0,
    }


def groups():
    """Group of every dimension of the default space by name."""
    return {dimension.name: dimension.group for dimension in dimensions(SPACE)}


@settings(deadline=None)
@given(members())
def test_slots_name_the_operators_that_the_builder_makes(member):
    """Every operator that a pruning step may name has a slot that the space has a dimension for."""
    space, architecture = member
    graph = space.build(architecture)
    known = slots(architecture)
    assert len(set(known.values())) == len(known)
    for method in ("channels", "magnitude"):
        targets = sparsity_targets(graph, method)
        assert {f"{known[name]}.{method}" for name in targets} <= set(dimension_names(space))
    convolutions = {op.name for op in graph.operators if op.kind in ("conv2d", "dense")} - {"grey"}
    assert set(known) >= convolutions


def test_choices_of_one_have_no_dimension():
    """Grey exists for three colours only; a space without alternatives has fewer dimensions."""
    assert "input.grey" not in dimension_names(SearchSpace((28, 28, 1), 10))
    narrow = replace(
        SPACE,
        kinds=("conv",),
        heads=("flatten",),
        max_hidden=0,
        strides=(1,),
        branches=("none",),
        fc_branches=("none",),
        recipes=RecipeRange.fixed(),
        pruning=(PruningRange("magnitude", 0.5, per_layer=False),),
    )
    left = " ".join(dimension_names(narrow))
    words = ("kind", "head", "hidden", "stride", "reduction", "branch", "recipe", "output")
    assert not [word for word in words if word in left]
    assert "pruning.magnitude" in left


def test_summaries_are_the_figures_of_the_plan():
    """A network with figures that can be counted by hand."""
    architecture = Architecture((ConvBlock((Conv2D(2, 3),), "max"),), (32,))
    space = SearchSpace((8, 8, 1), 10)
    plan = plan_memory(space.build(architecture))
    weights = 2 * 9 + 2 + 32 * 32 + 32 + 10 * 32 + 10
    macs = 64 * 2 * 9 + 32 * 32 + 10 * 32
    expected = np.log2([weights, macs, 32, 32, 32]) / 16
    np.testing.assert_allclose(summarize(plan), expected)


def test_features_are_encoding_and_summary_side_by_side():
    """Columns of features are the encoding, then the always active summary."""
    rng = np.random.default_rng(1)
    candidates = [Candidate(i, SPACE.sample(rng)) for i in range(5)]
    plans = [plan_memory(SPACE.build(c.architecture)) for c in candidates]
    values, active = featurize(SPACE, candidates, plans)
    split = len(dimensions(SPACE))
    assert values.shape == (5, split + len(SUMMARY_NAMES)) == (5, len(feature_groups(SPACE)))
    for row, mask, candidate, plan in zip(values, active, candidates, plans, strict=True):
        expected, expected_mask = encode(SPACE, candidate)
        assert (row[:split] == expected).all()
        assert (mask[:split] == expected_mask).all()
        assert (row[split:] == summarize(plan)).all()
        assert mask[split:].all()
