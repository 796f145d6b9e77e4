"""Splits: shares of classes, rare classes, and groups that stay together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_search.datasets.stratify import check_class_sizes, grouped_split, stratified_split
from sparse_search.errors import DatasetError


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=40), st.integers(0, 99))
def test_every_class_is_in_both_parts(sizes, seed):
    """However small a class is, both parts have it, and every example is in one part."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rest, held = stratified_split(labels, 0.2, seed, "made")
    assert sorted([*rest, *held]) == [*range(len(labels))]
    assert {*labels[rest]} == {*labels[held]} == {*range(len(sizes))}
    assert len(held) == max(round(0.2 * len(labels)), len(sizes))
    assert [*rest] == sorted(rest)
    again = stratified_split(labels, 0.2, seed, "made")
    np.testing.assert_array_equal(held, again[1])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), st.integers(20, 60), st.integers(2, 5))
def test_groups_stay_together_and_classes_keep_their_share(seed, group_count, class_count):
    """No group is in both parts; each class has within a group of its share in the smaller one."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(group_count), 8)
    labels = np.tile(np.arange(8) % class_count, group_count)
    order = generator.permutation(len(labels))
    groups, labels = groups[order] * 7 + 3, labels[order]
    rest, held = grouped_split(labels, groups, 0.25, seed, "made")
    assert not {*groups[rest]} & {*groups[held]}
    assert sorted([*rest, *held]) == [*range(len(labels))]
    share = np.bincount(labels[held]) / np.bincount(labels)
    assert np.abs(share - 0.25).max() <= 1 / group_count


def test_groups_of_one_class_are_divided_class_by_class():
    """Images of a class, patches of an image: a quarter of each class's images is held out."""
    labels = np.repeat([0, 1, 2], 4 * 12)
    groups = np.repeat(np.arange(36), 4)
    _, held = grouped_split(labels, groups, 0.25, 5, "made")
    assert np.bincount(labels[held]).tolist() == [12, 12, 12]


def test_groups_that_cannot_be_divided_are_refused():
    """A class of one group would be missing on one side."""
    labels, groups = np.array([0] * 9 + [1] * 9), np.array([*range(9)] + [9] * 9)
    with pytest.raises(DatasetError, match="found none of class 1 in the held-out part"):
        grouped_split(labels, groups, 0.3, 0, "made")


def test_classes_must_be_large_enough_for_the_splits_to_come():
    """Two examples are enough for two splits and too few for three."""
    labels = np.array([0, 0, 1, 1, 1])
    check_class_sizes(labels, ("a", "b"), "made", 2)
    with pytest.raises(DatasetError, match="2 of 'a'"):
        check_class_sizes(labels, ("a", "b"), "made", 3)
