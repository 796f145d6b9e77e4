""".npz files of arrays."""

import zipfile

import numpy as np
import pytest

from sparse_search.dataset import load_dataset
from sparse_search.errors import DatasetError


def made(count=60, classes=3, seed=0):
    """Images uint8 [n, 4, 5, 3] and labels uint8 [n]."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 4, 5, 3), dtype=np.uint8)
    return images, generator.permutation(np.arange(count) % classes).astype(np.uint8)


X, Y = made()
X_TEST, Y_TEST = made(30, seed=1)
TEST_AS = {
    dtype: {"x_test": X_TEST.astype(dtype), "y_test": Y_TEST}
    for dtype in (np.float32, np.int16, np.uint16)
}


def test_all_splits_of_a_file_are_kept(tmp_path):
    """x_val and x_test are taken as they are; nothing is cut off x_train."""
    x_val, y_val = made(12, seed=2)
    np.savez(
        tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X_TEST, y_test=Y_TEST[:, None],
        x_val=x_val, y_val=y_val,
    )  # fmt: skip
    dataset = load_dataset(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.train.images, X)
    np.testing.assert_array_equal(dataset.validation.images, x_val)
    np.testing.assert_array_equal(dataset.open_test().images, X_TEST)
    np.testing.assert_array_equal(dataset.open_test().labels, Y_TEST)
    assert (dataset.name, dataset.remarks, dataset.input_map) == ("a", (), (0.0, 255.0))


def test_without_a_test_split_a_fixed_one_is_held_out(tmp_path):
    """A fifth, stratified, the same for every seed, disjoint from the rest; a remark says so."""
    images, labels = made(100, 4)
    images[:, 0, 0, 0] = np.arange(100)
    names = np.array(["north", "east", "south", "west"])
    np.savez_compressed(tmp_path / "b.npz", images=images, labels=labels, label_names=names)
    first, second = (load_dataset(tmp_path, seed=seed) for seed in (0, 1))
    assert first.class_names == tuple(names)
    assert "20 images are held out" in first.remarks[0]
    np.testing.assert_array_equal(first.open_test().images, second.open_test().images)
    assert np.bincount(first.open_test().labels).tolist() == [5, 5, 5, 5]
    splits = (first.train, first.validation, first.open_test())
    seen = np.concatenate([split.images[:, 0, 0, 0] for split in splits])
    np.testing.assert_array_equal(np.sort(seen), np.arange(100))


def test_features_become_images_by_the_training_range(tmp_path):
    """Float32 mfcc [n, 6, 5] becomes [n, 6, 5, 1]; the test split does not set the range."""
    values = np.random.default_rng(0).normal(0, 30, (60, 6, 5)).astype(np.float32)
    np.savez(tmp_path / "c.npz", mfcc=values, labels=Y, filenames=np.array(["f"] * 60))
    dataset = load_dataset(tmp_path / "c.npz")
    low, high = dataset.input_map
    assert (low, high) == (values.min(), values.max())
    assert dataset.input_shape == (6, 5, 1)
    np.savez(tmp_path / "c.npz", x_train=values, y_train=Y, x_test=values * 9, y_test=Y)
    dataset = load_dataset(tmp_path / "c.npz")
    assert dataset.input_map == (low, high)
    np.testing.assert_array_equal(dataset.open_test().images, dataset.to_pixels(values * 9))


def test_a_range_that_decides_on_pixels_is_remarked(tmp_path):
    """Of whatever is not uint8, which is taken as it is."""
    for dtype in (np.float32, np.int16, np.uint16):
        np.savez(tmp_path / "t.npz", x_train=(X // 2).astype(dtype), y_train=Y, **TEST_AS[dtype])
        (remark,) = load_dataset(tmp_path / "t.npz").remarks
        assert "x_train are mapped to 0 .. 255 by their range, 0 .. 127" in remark
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y, x_test=X_TEST, y_test=Y_TEST)
    assert load_dataset(tmp_path / "t.npz").remarks == ()


@pytest.mark.parametrize("split", ["test", "val"])
def test_splits_on_different_scales_are_remarked(tmp_path, split):
    """Pixels beside fractions, in whichever split; of a few times the range no word is said."""
    images = X.astype(np.float32)
    for other, expected in ((X_TEST / 255, True), (X_TEST * 3.0, False)):
        arrays = {f"x_{split}": other.astype(np.float32), f"y_{split}": Y_TEST}
        np.savez(tmp_path / "s.npz", x_train=images, y_train=Y, **arrays)
        remarks = load_dataset(tmp_path / "s.npz").remarks
        found = [remark for remark in remarks if "prepared in the same way" in remark]
        assert bool(found) == expected
        assert all(f"x_train lies in 0 .. 255, x_{split} in 0 .. 1" in text for text in found)


def test_text_labels_share_one_order(tmp_path):
    """The test split's labels are read with the training split's classes."""
    words = np.array(["b", "a", "c"])
    np.savez(tmp_path / "d.npz", x_train=X, y_train=words[Y], x_test=X_TEST, y_test=words[Y_TEST])
    dataset = load_dataset(tmp_path / "d.npz")
    assert dataset.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(dataset.open_test().labels, np.array([1, 0, 2])[Y_TEST])


TEST = {"x_test": X_TEST, "y_test": Y_TEST}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pictures": X, "labels": Y}, "one of the keys x_train, images, mfcc, found labels, pic"),
        ({"images": X}, "one of the keys y_train, labels"),
        ({"data": X, "target": Y}, "is data meant to be images"),
        ({"images": X, "target": Y}, "is target meant to be labels"),
        ({"images": X, "labels": Y.astype(int) - 1}, "classes 0, 1, 2 and so on, found -1"),
        ({"images": X, "labels": Y + 1}, "found none of '0' among 1 to 3; number them so"),
        ({"images": X, "mfcc": X, "labels": Y}, "found images, mfcc"),
        ({"images": X, "labels": Y, "x_test": X_TEST}, "found only x_test"),
        ({"images": X, "labels": Y, "y_val": Y}, "found only y_val"),
        ({"images": X, "labels": Y[:-1]}, "60 images and 59 labels"),
        ({"images": X, "labels": Y, "x_test": X_TEST[:-1], "y_test": Y_TEST}, "29 images and 30"),
        (
            {"images": X, "labels": Y, "x_test": X_TEST[:, 1:], "y_test": Y_TEST},
            "like the training",
        ),
        ({"images": X, "labels": Y, "x_test": X_TEST / 255, "y_test": Y_TEST}, "found float64"),
        ({"images": X.astype(object), "labels": Y}, "no Python objects"),
        ({"images": np.where(X == 3, np.nan, X), "labels": Y}, "images: expected finite"),
        (
            {"images": X, "labels": Y, "class_names": np.array(["a", "b"])},
            "found 2 names and labels up to 2",
        ),
        ({"images": X, "labels": Y * 2}, "found none of '1', '3'"),
        ({"images": X[:0], "labels": Y[:0]}, "at least one"),
        ({"images": X, "labels": Y * 0}, "at least two classes, found 1"),
    ],
)
def test_unusable_content_is_refused_at_load(tmp_path, content, message):
    """The error names the file, and the test split's form is checked without its labels."""
    path = tmp_path / "bad.npz"
    np.savez(path, **content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)


def test_the_test_split_is_not_opened_at_load(tmp_path):
    """But for the range of its images: labels outside the classes are found when it is opened."""
    path = tmp_path / "late.npz"
    for spoiled, message in (
        ({"x_test": X_TEST, "y_test": Y_TEST + 1}, "y_test: expected labels from 0 to 2, found 3"),
        ({"x_test": X_TEST, "y_test": Y_TEST * 0}, "y_test: expected examples of each"),
    ):
        np.savez(path, x_train=X, y_train=Y, **spoiled)
        dataset = load_dataset(path)
        with pytest.raises(DatasetError, match=message):
            dataset.open_test()


def test_a_damaged_file_is_named(tmp_path):
    """Truncated, not an .npz, or with a changed byte."""
    path = tmp_path / "e.npz"
    np.savez_compressed(path, images=X, labels=Y)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("images.npy").compress_size // 2
    for content in (
        whole[:-30],
        b"not a zip file",
        b"",
        whole[:middle] + bytes(9) + whole[middle + 9 :],
    ):
        path.write_bytes(content)
        with pytest.raises(DatasetError) as caught:
            load_dataset(path)
        assert str(path) in str(caught.value)


def test_a_folder_with_two_files_is_ambiguous(tmp_path):
    """Only a folder with exactly one .npz file stands for it."""
    np.savez(tmp_path / "one.npz", images=X, labels=Y)
    np.savez(tmp_path / "two.npz", images=X, labels=Y)
    with pytest.raises(DatasetError, match="exactly one"):
        load_dataset(tmp_path)
