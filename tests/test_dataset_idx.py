"""mnist, fashion-mnist and folders of IDX files."""

import gzip
import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from dataset_files import IDX_NAMES, idx_arrays, idx_bytes, write_idx
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as any_array

from sparse_search.dataset import load_dataset
from sparse_search.datasets import mnist
from sparse_search.datasets.idx import read_idx
from sparse_search.datasets.mnist import FASHION_MNIST, MNIST, load_release
from sparse_search.errors import DatasetError, DatasetMissingError

SMALL = replace(MNIST, train_count=60, test_count=20, size=(6, 5), mirrors=())


@settings(deadline=None, max_examples=30)
@given(values=any_array(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=6)))
def test_idx_round_trip(tmp_path_factory, values):
    """What the form's definition writes is read back, compressed or not."""
    folder = tmp_path_factory.mktemp("idx")
    (folder / "plain").write_bytes(idx_bytes(values))
    (folder / "packed.gz").write_bytes(gzip.compress(idx_bytes(values)))
    for name in ("plain", "packed.gz"):
        np.testing.assert_array_equal(read_idx(folder / name, values.ndim), values)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_a_release_is_read_from_either_place(tmp_path, compress, subfolder):
    """Files in the folder itself or in one named like the data set, compressed or not."""
    arrays = idx_arrays()
    write_idx(tmp_path / subfolder, arrays, compress)
    raw = load_release(SMALL, tmp_path)
    np.testing.assert_array_equal(raw.train.images[..., 0], arrays[0])
    np.testing.assert_array_equal(raw.train.labels, arrays[1])
    test = raw.open_test()
    np.testing.assert_array_equal(test.images[..., 0], arrays[2])
    np.testing.assert_array_equal(test.labels, arrays[3])


def test_a_folder_of_idx_files_is_a_source(tmp_path):
    """Any size and class count; the default validation split is a sixth."""
    write_idx(tmp_path / "letters", idx_arrays())
    dataset = load_dataset(tmp_path / "letters")
    assert (dataset.name, dataset.input_shape, dataset.class_count) == ("letters", (6, 5, 1), 10)
    assert (len(dataset.train), len(dataset.validation)) == (50, 10)
    assert len(dataset.open_test()) == 20
    assert load_dataset("letters", data_dir=tmp_path).fingerprint() == dataset.fingerprint()
    (tmp_path / "letters" / f"{IDX_NAMES[3]}.gz").unlink()
    with pytest.raises(DatasetMissingError, match="expected the four files"):
        load_dataset(tmp_path / "letters")


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _rewrite(path, change):
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def _set_last(content, value):
    return content[:-1] + bytes((value,))


DAMAGES = {
    "a truncated gzip file": (_truncate, "truncated or damaged"),
    "a flipped byte": (_flip, "truncated or damaged"),
    "text in place of gzip": (lambda path: path.write_text("<html>"), "truncated or damaged"),
    "an empty file": (lambda path: path.write_bytes(b""), "found nothing|truncated"),
    "missing elements": (partial(_rewrite, change=lambda c: c[:-1]), r"expected \d+ bytes for"),
    "surplus elements": (partial(_rewrite, change=lambda c: c + b"x"), r"expected \d+ bytes for"),
    "a header cut short": (partial(_rewrite, change=lambda c: c[:6]), "expected a header"),
    "another element type": (
        partial(_rewrite, change=lambda c: c[:2] + b"\x0d" + c[3:]),
        "begins with 00 00 08",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("index", range(4))
def test_a_damaged_file_is_named_at_load(tmp_path, damage, index):
    """Each damage of each of the four files, the test files included, is found at load."""
    path = write_idx(tmp_path / "mnist", idx_arrays())[index]
    spoil, message = DAMAGES[damage]
    spoil(path)
    with pytest.raises(DatasetError, match=message) as caught:
        load_release(SMALL, tmp_path)
    assert str(path) in str(caught.value)


def test_swapped_and_foreign_files_are_refused(tmp_path):
    """Labels for images, counts that differ, another size, another number of images."""
    folder = tmp_path / "mnist"
    images, labels = write_idx(folder, idx_arrays())[:2]
    good_images, good_labels = images.read_bytes(), labels.read_bytes()
    images.write_bytes(good_labels)
    with pytest.raises(DatasetError, match=r"an IDX file of images, .* right names"):
        load_release(SMALL, tmp_path)
    images.write_bytes(good_images)
    _rewrite(labels, lambda c: idx_bytes(np.frombuffer(c, np.uint8, offset=8)[:-1]))
    with pytest.raises(DatasetError, match="found 60 images and 59 labels"):
        load_release(SMALL, tmp_path)
    labels.write_bytes(good_labels)
    with pytest.raises(DatasetError, match="expected images of 28x28, found 6x5"):
        load_release(replace(SMALL, size=(28, 28)), tmp_path)
    with pytest.raises(DatasetError, match="expected 60000 images, found 60"):
        load_release(replace(SMALL, train_count=60_000), tmp_path)


@pytest.mark.parametrize(
    ("index", "change", "message"),
    [
        (1, lambda c: _set_last(c, 10), "labels from 0 to 9, found 10 at position 59"),
        (1, lambda c: c.replace(b"\x09", b"\x08"), "found none of '9'"),
        (3, lambda c: _set_last(c, 10), "labels from 0 to 9, found 10 at position 19"),
        (3, lambda c: c.replace(b"\x09", b"\x07"), "found none of '9'"),
    ],
)
def test_wrong_labels_are_found_in_train_at_load_and_in_test_when_opened(
    tmp_path, index, change, message
):
    """Label values of the test files are not looked at before the test split is opened."""
    path = write_idx(tmp_path / "mnist", idx_arrays())[index]
    _rewrite(path, lambda content: content[:8] + change(content[8:]))
    if index == 3:
        with pytest.raises(DatasetError, match=message) as caught:
            load_release(SMALL, tmp_path).open_test()
    else:
        with pytest.raises(DatasetError, match=message) as caught:
            load_release(SMALL, tmp_path)
    assert str(path) in str(caught.value)


def test_files_of_the_sister_data_set_are_refused(tmp_path, monkeypatch):
    """MNIST and Fashion-MNIST have the same names and form; the checksum tells them apart."""
    paths = write_idx(tmp_path, idx_arrays())
    md5 = tuple(hashlib.md5(path.read_bytes()).hexdigest() for path in paths)
    fashion = replace(SMALL, name="fashion-mnist", md5=md5)
    monkeypatch.setattr(mnist, "RELEASES", (SMALL, fashion))
    assert load_release(fashion, tmp_path).name == "fashion-mnist"
    with pytest.raises(DatasetError, match=r"found train-images-idx3-ubyte\.gz of fashion-mnist"):
        load_release(SMALL, tmp_path)


def test_the_checksums_are_all_different_and_well_formed():
    """Eight different md5 sums of 32 digits."""
    sums = {*MNIST.md5, *FASHION_MNIST.md5}
    assert len(sums) == 8
    assert all(len(text) == 32 and int(text, 16) for text in sums)
    assert all(mirror.endswith("/") for mirror in MNIST.mirrors + FASHION_MNIST.mirrors)
