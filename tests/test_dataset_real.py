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
    folder = {
        "cifar10": "cifar-10-batches-bin",
        "cifar10-binary": "cifar-10-batches-bin",
        "keywords": "speech_commands",
    }
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


def test_chars74k_has_the_counts_of_the_paper(data_dir):
    """4397 + 1886 images of 62 classes, every class in every split."""
    data = load("chars74k", data_dir)
    assert (data.input_shape, data.class_count) == ((20, 20, 3), 62)
    test = data.open_test()
    assert (len(data.train) + len(data.validation), len(test)) == (4397, 1886)
    assert np.bincount(test.labels, minlength=62).min() >= 6


def test_keywords_are_split_by_speaker(data_dir):
    """4890 clips of 12 classes; a speaker's hash is in the names of one split only."""
    data = load("keywords", data_dir)
    assert (data.input_shape, data.class_count) == ((49, 10, 1), 12)
    splits = (data.train, data.validation, data.open_test())
    assert sum(map(len, splits)) == 4890
    spoken = [{n.split("_nohash_")[0][-8:] for n in s.names if "_nohash_" in n} for s in splits]
    assert sum(map(len, spoken)) == len(set.union(*spoken)) == 239
    assert 0.19 < len(splits[2]) / 4890 < 0.22


def test_arrays_in_a_folder(data_dir):
    """A folder below the data folder with one .npz is found by its name."""
    data = load("speech_commands", data_dir)
    assert (data.input_shape, data.class_count) == ((49, 10, 1), 12)
    assert any("no test split" in remark for remark in data.remarks)
