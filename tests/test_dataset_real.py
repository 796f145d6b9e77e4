"""The real data sets, where a folder has them (SPARSE_SEARCH_DATA_DIR)."""

import time
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_env

from sparse_search.dataset import load_dataset
from sparse_search.errors import DatasetMissingError


@pytest.fixture(scope="module")
def data_dir():
    """The folder with real data."""
    return Path(requires_env("SPARSE_SEARCH_DATA_DIR"))


def load(name, data_dir):
    """The data set; skips where the folder lacks its files, without trying the network."""
    folder = {"cifar10": "cifar-10-batches-bin", "cifar10-binary": "cifar-10-batches-bin"}
    if not (data_dir / folder.get(name, name)).is_dir():
        pytest.skip(f"{data_dir} has no {name}")
    try:
        return load_dataset(name, data_dir=data_dir)
    except DatasetMissingError as error:
        pytest.skip(str(error))


def test_mnist_is_the_published_one(data_dir):
    """Counts per class are those of the official files; loading is a matter of a second."""
    dataset = load("mnist", data_dir)
    start = time.perf_counter()
    dataset = load("mnist", data_dir)
    assert time.perf_counter() - start < 5.0
    assert (len(dataset.train), len(dataset.validation)) == (50_000, 10_000)
    counts = np.bincount(dataset.train.labels) + np.bincount(dataset.validation.labels)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = dataset.open_test()
    assert np.bincount(test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert test.labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    mean = np.concatenate([dataset.train.images, dataset.validation.images]).mean() / 255
    assert mean == pytest.approx(0.1307, abs=5e-5)


def test_cifar10_is_the_published_one(data_dir):
    """5000 + 1000 images a class, and the known mean of each colour channel."""
    dataset = load("cifar10", data_dir)
    images = np.concatenate([dataset.train.images, dataset.validation.images])
    mean = images.reshape(-1, 3).mean(axis=0) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=1e-4)
    counts = np.bincount(dataset.train.labels) + np.bincount(dataset.validation.labels)
    assert counts.tolist() == [5000] * 10
    test = dataset.open_test()
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert test.labels[:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "count"),
    [("chars74k", (20, 20, 3), 62, 6283), ("speech_commands", (49, 10, 1), 12, 4890)],
)
def test_arrays_in_a_folder(data_dir, name, shape, classes, count):
    """A folder below the data folder with one .npz is found by its name."""
    dataset = load(name, data_dir)
    assert (dataset.input_shape, dataset.class_count) == (shape, classes)
    test = dataset.open_test()
    assert len(dataset.train) + len(dataset.validation) + len(test) == count
    assert "no test split" in dataset.remarks[0]
