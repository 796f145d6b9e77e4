"""Small trained networks that pruning is tested on."""

import torch

from sparse_search.architecture import (
    Architecture,
    Conv2D,
    ConvBlock,
    InputTransform,
    SeparableConv2D,
)
from sparse_search.dataset import Dataset
from sparse_search.network import Network
from sparse_search.space import SearchSpace
from sparse_search.training import TrainingConfig, train

CHAIN = Architecture((ConvBlock((Conv2D(6, 3), SeparableConv2D(8, 3, 2)), "max"),))
BRANCHING = Architecture(
    (
        ConvBlock((Conv2D(6, 3), SeparableConv2D(8, 3, 2)), "max", "conv1", "average"),
        ConvBlock((Conv2D(8, 3),), "none", "shortcut"),
    ),
    (12,),
    "flatten",
    InputTransform(fc_branch="flatten"),
)
QUICK = TrainingConfig(epochs=3, batch_size=32)


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


def train_quickly(architecture: Architecture, dataset: Dataset) -> Network:
    """A small network after three epochs."""
    space = SearchSpace(dataset.input_shape, dataset.class_count)
    network = Network(space.build(architecture), generator(0))
    train(network, dataset, QUICK, generator(1))
    return network
