"""cifar10 in its binary, compressed and Python forms, its archives, and cifar10-binary."""

import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from dataset_files import (
    BATCH_NAMES,
    binary_batch,
    cifar_arrays,
    python2_pickle,
    write_binary_batches,
    write_python_batches,
)

from sparse_search.datasets.cifar10 import CIFAR10, CLASS_NAMES, load_release, load_two_classes
from sparse_search.errors import DatasetError, DatasetMissingError

SMALL = replace(CIFAR10, archive=replace(CIFAR10.archive, mirrors=()), batch_count=20)
BIN, PY = "cifar-10-batches-bin", "cifar-10-batches-py"
WRITERS = {
    "bin": lambda folder, batches: write_binary_batches(folder / BIN, batches),
    "bin.xz": lambda folder, batches: write_binary_batches(folder / BIN, batches, compress=True),
    "python": lambda folder, batches: write_python_batches(folder / PY, batches),
    "the folder itself": write_binary_batches,
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_gives_the_same_pixels(tmp_path, form):
    """Pixel (row, column, channel) is byte 1024 channel + 32 row + column of the planes."""
    batches = cifar_arrays()
    WRITERS[form](tmp_path, batches)
    raw = load_release(SMALL, tmp_path)
    planes = np.concatenate([planes for planes, _ in batches[:5]])
    generator = np.random.default_rng(1)
    for image, row, column, channel in generator.integers(0, (100, 32, 32, 3), (200, 4)):
        byte = planes[image, 1024 * channel + 32 * row + column]
        assert raw.train.images[image, row, column, channel] == byte
    np.testing.assert_array_equal(raw.train.labels, np.concatenate([b[1] for b in batches[:5]]))
    test = raw.open_test()
    np.testing.assert_array_equal(test.labels, batches[5][1])
    assert test.images[3, 4, 5, 2] == batches[5][0][3, 2048 + 4 * 32 + 5]


def test_two_classes_are_class_below_five(tmp_path):
    """cifar10-binary: class 1 where the class is below 5, in every split; pixels unchanged."""
    batches = cifar_arrays()
    write_binary_batches(tmp_path / BIN, batches)
    raw = load_two_classes(SMALL, tmp_path)
    ten = load_release(SMALL, tmp_path)
    for two, full in ((raw.train, ten.train), (raw.open_test(), ten.open_test())):
        np.testing.assert_array_equal(two.labels, [int(label < 5) for label in full.labels])
        np.testing.assert_array_equal(two.images, full.images)
    assert len(raw.class_names) == 2
    assert pickle.loads(pickle.dumps(raw.open_test))().shape == (32, 32, 3)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """Five of six files: the sixth is named, and nothing is fetched over them."""
    write_binary_batches(tmp_path / BIN, cifar_arrays())[3].unlink()
    with pytest.raises(DatasetMissingError, match=r"did not find data_batch_4\.bin") as caught:
        load_release(SMALL, tmp_path)
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(DatasetMissingError, match=r"cifar-10-binary\.tar\.gz: not there"):
        load_release(SMALL, tmp_path / "empty")


@pytest.mark.parametrize("form", ["bin", "bin.xz", "python"])
@pytest.mark.parametrize("index", [2, 5])
def test_a_truncated_file_is_named_at_load(tmp_path, form, index):
    """A file that lacks its end, the test file included, is found when the data set is loaded."""
    path = WRITERS[form](tmp_path, cifar_arrays())[index]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DatasetError, match=r"truncated|damaged") as caught:
        load_release(SMALL, tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", ["bin", "bin.xz", "python"])
def test_wrong_sizes_and_labels_are_refused(tmp_path, form):
    """19 images where 20 belong, and label 10."""
    batches = cifar_arrays()
    planes, labels = batches[1]
    batches[1] = planes[:-1], labels[:-1]
    WRITERS[form](tmp_path, batches)
    with pytest.raises(DatasetError, match=r"data_batch_2.*expected (61460 bytes|20 images)"):
        load_release(SMALL, tmp_path)
    batches[1] = planes, np.where(labels == 9, 10, labels)
    WRITERS[form](tmp_path, batches)
    with pytest.raises(DatasetError, match=r"data_batch_2.*labels from 0 to 9, found 10"):
        load_release(SMALL, tmp_path)


def test_a_class_without_examples_is_refused(tmp_path):
    """All 9s turned into 8s: the error names the truck."""
    batches = [(planes, np.minimum(labels, 8)) for planes, labels in cifar_arrays()]
    write_binary_batches(tmp_path / BIN, batches)
    with pytest.raises(DatasetError, match="found none of 'truck'"):
        load_release(SMALL, tmp_path)


class _Evil:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_malicious_batch_is_refused_and_not_executed(tmp_path):
    """A batch of the Python version that would run a command is an error; nothing runs."""
    paths = write_python_batches(tmp_path / PY, cifar_arrays())
    paths[0].write_bytes(pickle.dumps({"data": _Evil(f"touch {tmp_path / 'executed'}")}, 2))
    with pytest.raises(DatasetError, match="nothing of it was executed"):
        load_release(SMALL, tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected 'data' to be a uint8 array"),
        ({"data": "x", "labels": [1]}, "expected 'data' to be a uint8 array"),
        ({"data": np.zeros((20, 3072), np.uint8)}, "expected 'labels' to be a list"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": ["a"]}, "expected 'labels'"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": [1]}, "20 images and 1 labels"),
        ({"data": np.zeros((20, 30), np.uint8), "labels": [1] * 20}, r"shape \(20, 30\)"),
    ],
)
def test_a_pickle_with_other_content_is_refused(tmp_path, content, message):
    """What a batch must contain is checked by name and type."""
    paths = write_python_batches(tmp_path / PY, cifar_arrays())
    paths[0].write_bytes(python2_pickle(content))
    with pytest.raises(DatasetError, match=message):
        load_release(SMALL, tmp_path)


def _archive(path, folder, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_an_archive_is_unpacked_without_foreign_members(tmp_path):
    """Only the six batch files leave the archive, whatever paths its members claim."""
    batches = cifar_arrays()
    files = {f"{n}.bin": binary_batch(*b) for n, b in zip(BATCH_NAMES, batches, strict=True)}
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    archive = data_dir / "cifar-10-binary.tar.gz"
    _archive(archive, f"{BIN}/", {**files, "../../escaped": b"x", "readme.html": b"y"})
    raw = load_release(SMALL, data_dir)
    np.testing.assert_array_equal(raw.open_test().labels, batches[5][1])
    everything = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert everything == {f"data/{BIN}/{name}" for name in files} | {f"data/{archive.name}"}


def test_a_damaged_archive_is_named(tmp_path):
    """Truncated, or without one of the files."""
    archive = tmp_path / "cifar-10-binary.tar.gz"
    files = {f"{n}.bin": binary_batch(*b) for n, b in zip(BATCH_NAMES, cifar_arrays(), strict=True)}
    _archive(archive, f"{BIN}/", files)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"cifar-10-binary\.tar\.gz: could not be unpacked"):
        load_release(SMALL, tmp_path)
    del files["test_batch.bin"]
    for left_over in (tmp_path / BIN).iterdir():
        left_over.unlink()
    _archive(archive, f"{BIN}/", files)
    with pytest.raises(DatasetError, match=r"did not find test_batch\.bin"):
        load_release(SMALL, tmp_path)


def test_the_python_archive_is_unpacked_too(tmp_path):
    """The Python version's archive, put there by hand."""
    paths = write_python_batches(tmp_path / "made", cifar_arrays())
    files = {path.name: path.read_bytes() for path in paths}
    _archive(tmp_path / "cifar-10-python.tar.gz", f"{PY}/", files)
    assert len(load_release(SMALL, tmp_path).train) == 100
    assert len(CLASS_NAMES) == 10
