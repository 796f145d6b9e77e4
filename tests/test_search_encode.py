"""The encoding: one point for each candidate, dead coordinates marked as such."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import members

from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    DownsampledConv2D,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.candidate import Candidate, PruningStep
from sparse_search.memory import plan_memory
from sparse_search.search.encode import dimension_names, dimensions, encode
from sparse_search.search.features import SUMMARY_NAMES, feature_groups, featurize, summarize
from sparse_search.space import PruningRange, SearchSpace

SPACE = SearchSpace((32, 32, 3), 10)


def coordinates(architecture, pruning=(), space=SPACE):
    """Value by name of the active coordinates."""
    values, active = encode(space, Candidate(0, architecture, pruning))
    names = dimension_names(space)
    return {names[i]: values[i] for i in np.flatnonzero(active)}


@settings(deadline=None, max_examples=60)
@given(members(), st.integers(0, 2**32 - 1))
def test_codes_are_in_the_unit_cube_and_zero_where_inactive(member, seed):
    """Every member of every space encodes to one value per dimension."""
    space, architecture = member
    pruning = space.sample_pruning(np.random.default_rng(seed))
    values, active = encode(space, Candidate(0, architecture, pruning))
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
        ),
    ],
    ids=["cifar", "mnist", "tiny"],
)
def test_codes_are_equal_exactly_for_equal_candidates(space):
    """Over 1500 samples, two codes are equal if and only if network and pruning are."""
    rng = np.random.default_rng(0)
    by_code = {}
    for number in range(1500):
        candidate = Candidate(number, space.sample(rng), space.sample_pruning(rng))
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
    assert groups["pruning.magnitude"] == "pruning"


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
    assert found["input.pool"] == found["input.grey"] == found["head"] == 1
    assert found["pruning.magnitude"] == pytest.approx(0.5)
    assert found["pruning.channels"] == 0
    assert found["block1.layer1.kernel"] == 1


def test_choices_of_one_have_no_dimension():
    """Grey exists for three colours only; a space without alternatives has fewer dimensions."""
    assert "input.grey" not in dimension_names(SearchSpace((28, 28, 1), 10))
    narrow = replace(SPACE, kinds=("conv",), heads=("flatten",), max_hidden=0, strides=(1,))
    left = " ".join(dimension_names(narrow))
    assert not [word for word in ("kind", "head", "hidden", "stride", "reduction") if word in left]


def test_summaries_are_the_figures_of_the_plan():
    """A network with figures that can be counted by hand."""
    architecture = Architecture((ConvBlock((Conv2D(2, 3),), "max"),), (32,))
    space = SearchSpace((8, 8, 1), 10)
    plan = plan_memory(space.build(architecture))
    weights = 2 * 9 + 2 + 32 * 32 + 32 + 10 * 32 + 10
    macs = 64 * 2 * 9 + 32 * 32 + 10 * 32
    expected = np.log2([weights, macs, 32, 32, 128]) / 16
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
