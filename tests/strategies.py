"""Hypothesis strategies shared by all tests."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from sparse_search.architecture import Architecture
from sparse_search.space import SearchSpace

SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (49, 10, 1))
"""Digits, MNIST, CIFAR-10 and a keyword spectrogram."""


def spaces() -> st.SearchStrategy[SearchSpace]:
    """The default space for the input shapes that the product is used with."""
    return st.builds(
        SearchSpace, st.sampled_from(SHAPES), st.sampled_from([2, 10]), max_filters=st.just(24)
    )


@st.composite
def restricted_spaces(draw: st.DrawFn) -> SearchSpace:
    """A space with some of the choices of the default one, and strides and widths of its own."""
    whole = replace(draw(spaces()), strides=(1, 2, 4))
    names = ("kinds", "kernels", "strides", "paddings", "reductions_percent", "pools", "heads")
    choices = {name: getattr(whole, name) for name in (*names, "branches", "fc_branches")}
    kept = {name: draw(st.sets(st.sampled_from(all_))) for name, all_ in choices.items()}
    kept["fc_branches"].add("none")
    return replace(
        whole,
        widths=draw(st.sampled_from([(), (2, 3, 5, 9)])),
        **{
            name: tuple(option for option in all_ if option in kept[name]) or all_
            for name, all_ in choices.items()
        },
    )


def seeds() -> st.SearchStrategy[int]:
    """Seeds of random generators."""
    return st.integers(0, 2**32 - 1)


@st.composite
def members(draw: st.DrawFn) -> tuple[SearchSpace, Architecture]:
    """A space and one of its canonical architectures."""
    space = draw(spaces())
    return space, space.sample(np.random.default_rng(draw(seeds())))
