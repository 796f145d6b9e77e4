"""Small trained networks that pruning is tested on."""

import numpy as np
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
CONFIG = TrainingConfig(epochs=30, batch_size=32, learning_rate=0.02, weight_decay=0.0)


def generator(seed: int) -> torch.Generator:
    """A torch generator with a seed."""
    return torch.Generator().manual_seed(seed)


def train_quickly(architecture: Architecture, dataset: Dataset) -> Network:
    """A small network after three epochs."""
    space = SearchSpace(dataset.input_shape, dataset.class_count)
    network = Network(space.build(architecture), generator(0))
    train(network, dataset, QUICK, generator(1))
    return network


def made_dataset(count: int = 600) -> Dataset:
    """Images of 12 pixels: of the first six, those of the class are brighter; the rest is noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 256, (count, 1, 12)).astype(np.float64)
    for pixel in range(6):
        images[:, 0, pixel] = 60 + 120 * (labels == pixel % 3) + rng.normal(0, 25, count)
    pixels = np.clip(images, 0, 255).astype(np.uint8)
    held = slice(0, count // 4)
    return Dataset.from_arrays(
        pixels[count // 4 :],
        labels[count // 4 :],
        validation=(pixels[held], labels[held]),
        test=(pixels[held], labels[held]),
        name="made",
    )
