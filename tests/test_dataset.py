"""Dataset: splits, pixels, fingerprint, the way to the test split, and travel to a process."""

import hashlib
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from sparse_search.dataset import Dataset, Split, load_dataset
from sparse_search.datasets.registry import SOURCES, default_data_dir, source_names
from sparse_search.errors import DatasetError, DatasetMissingError


def arrays(count=60, classes=3, shape=(4, 5, 2), seed=0):
    """uint8 images and labels with every class."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return images, generator.permutation(np.arange(count) % classes)


def test_digits_have_the_announced_splits_and_pixels():
    """1797 images are cut into 1078 + 359 + 360, each once, with round(v * 255 / 16) as pixels."""
    dataset = load_dataset("digits")
    splits = (dataset.train, dataset.validation, dataset.open_test())
    assert [len(split) for split in splits] == [1078, 359, 360]
    bunch = load_digits()
    expected = {}
    for image, label in zip(bunch.images, bunch.target, strict=True):
        pixels = bytes(round(value * 255 / 16) for value in image.ravel())
        expected.setdefault((pixels, int(label)), []).append(1)
    found = {}
    for split in splits:
        for image, label in zip(split.images, split.labels, strict=True):
            found.setdefault((image.tobytes(), int(label)), []).append(1)
    assert found == expected
    assert dataset.class_names == tuple("0123456789")
    assert dataset.input_shape == (8, 8, 1)
    assert "no official test split" in dataset.remarks[0]


def test_digits_split_is_a_golden_figure():
    """The published splits never change: with them, every reported figure would."""
    dataset = load_dataset("digits")
    assert dataset.fingerprint() == "c9ef2ba66582"
    test_images = dataset.open_test().images
    assert hashlib.sha256(test_images).hexdigest()[:12] == "de85aee14a95"


def test_the_seed_changes_validation_but_never_test():
    """Two seeds give two validation splits and one test split; the same seed gives the same."""
    first, again, other = (load_dataset("digits", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(first.open_test().images, other.open_test().images)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(8, 40), min_size=2, max_size=6),
    st.floats(0.2, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_every_class_keeps_its_share(sizes, fraction, seed):
    """Each class has within one example of its share in validation, and nothing is lost."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    dataset = Dataset.from_arrays(images, labels, validation_fraction=fraction, seed=seed)
    held_out = len(dataset.validation)
    assert held_out == round(fraction * len(labels))
    shares = np.array(sizes) * held_out / len(labels)
    counts = np.bincount(dataset.validation.labels, minlength=len(sizes))
    assert np.all(np.abs(counts - shares) <= 1)
    both = np.concatenate([dataset.train.images, dataset.validation.images]).ravel()
    np.testing.assert_array_equal(np.sort(both), images.ravel())


def test_the_fingerprint_sees_every_byte_and_the_split():
    """A changed pixel, label, shape or border between the splits changes the fingerprint."""
    images, labels = arrays()
    base = Dataset.from_arrays(images, labels)
    prints = {base.fingerprint()}
    pixels = images.copy()
    pixels[7, 0, 0, 0] ^= 1
    prints.add(Dataset.from_arrays(pixels, labels).fingerprint())
    swapped = labels.copy()
    swapped[[0, 1]] = swapped[[np.argmax(labels != labels[0]), 0]]
    prints.add(Dataset.from_arrays(images, swapped).fingerprint())
    prints.add(Dataset.from_arrays(images.reshape(60, 5, 4, 2), labels).fingerprint())
    prints.add(Dataset.from_arrays(images, labels, validation_fraction=0.3).fingerprint())
    assert len(prints) == 5
    assert all(len(text) == 12 and int(text, 16) >= 0 for text in prints)


def test_floats_are_mapped_by_their_range():
    """The training range becomes 0 .. 255; what lies outside is clipped; the map is kept."""
    generator = np.random.default_rng(0)
    values, labels = generator.uniform(-3.0, 5.0, (60, 4, 4)), np.arange(60) % 3
    values[0, 0, 0], values[1, 0, 0] = -3.0, 5.0
    dataset = Dataset.from_arrays(values, labels, test=(values * 2, labels))
    assert dataset.input_map == (-3.0, 5.0)
    assert dataset.input_shape == (4, 4, 1)
    np.testing.assert_array_equal(
        dataset.to_pixels([[[-9.0, -3.0, 1.0, 5.0, 9.0]]]).ravel(), [0, 0, 128, 255, 255]
    )
    steps = (dataset.open_test().images[..., 0] / 255 * 8 - 3) - np.clip(values * 2, -3, 5)
    assert np.abs(steps).max() <= 8 / 255 / 2 + 1e-12


def test_test_split_is_opened_only_on_request_and_can_be_taken_away():
    """Loading calls no opener; without_test leaves no way to the test split."""
    opened = []
    images, labels = arrays()
    split = Split(images, labels)

    def opener():
        opened.append(True)
        return split

    dataset = Dataset("made", "made", ("a", "b", "c"), split, split, test_opener=opener)
    dataset.fingerprint()
    assert not opened
    assert dataset.open_test() is split
    assert opened
    with pytest.raises(DatasetError, match="expected a test split, found none"):
        dataset.without_test().open_test()


def test_the_test_split_is_checked_when_opened():
    """A test split of another shape, or without a class, is an error that says so."""
    images, labels = arrays()
    for wrong, message in (
        ((images[:, :3], labels), "expected images of shape"),
        ((images, labels * 0), "found none of '1', '2'"),
    ):
        dataset = Dataset.from_arrays(images, labels, test=wrong)
        with pytest.raises(DatasetError, match=f"test split.*{message}"):
            dataset.open_test()


def test_arrays_cannot_be_changed():
    """Neither the splits nor what a process receives can be written to; the caller's own can."""
    images, labels = arrays()
    dataset = Dataset.from_arrays(images, labels)
    for split in (dataset.train, pickle.loads(pickle.dumps(dataset.validation))):
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            split.labels[0] = 0
    Split(images, labels)
    images[0] = 0


def _fingerprint_and_test_count(dataset, queue):
    queue.put((dataset.fingerprint(), len(dataset.open_test())))


def test_travels_to_a_spawned_process():
    """A worker sees the same data; the test split travels as the way to open it."""
    dataset = load_dataset("digits")
    assert len(pickle.dumps(dataset)) < 1.1 * (1078 + 359) * (64 + 8) + 2000
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_fingerprint_and_test_count, args=(dataset, queue))
    process.start()
    assert queue.get(timeout=60) == (dataset.fingerprint(), 360)
    process.join()


def test_text_labels_become_sorted_classes():
    """Texts are classes in sorted order, or in the given one."""
    images, _ = arrays(6)
    words = np.array(["yes", "no"] * 3)
    assert Dataset.from_arrays(images, words, validation_fraction=1 / 3).class_names == (
        "no",
        "yes",
    )
    named = Dataset.from_arrays(
        images, words, class_names=["yes", "no"], validation=(images, words)
    )
    np.testing.assert_array_equal(named.train.labels, [0, 1] * 3)


IMAGES, LABELS = arrays()


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (IMAGES[:59], LABELS, {}, "found 59 images and 60 labels"),
        (IMAGES[:0], LABELS[:0], {}, "expected at least one image, found shape"),
        (IMAGES, LABELS - 1, {}, "and so on, found -1; number"),
        (IMAGES, LABELS + 2**40, {}, "found none of '0', '1'.* among 1099511627776 to"),
        (IMAGES, LABELS * 2, {}, "found none of '1', '3'"),
        (IMAGES, LABELS / 2, {}, "expected integer or text labels"),
        (IMAGES, np.eye(3)[LABELS], {}, "argmax"),
        (IMAGES, LABELS, {"class_names": "abcd"}, "found none of 'd'"),
        (IMAGES, LABELS, {"class_names": "ab"}, "labels from 0 to 1, found 2"),
        (IMAGES, np.array(list("abc"))[LABELS], {"class_names": "ab"}, "found 'c'"),
        (np.where(IMAGES == 7, np.nan, IMAGES), LABELS, {}, "NaN or infinite, the first at"),
        (np.where(IMAGES == 7, np.inf, IMAGES), LABELS, {}, "NaN or infinite"),
        (IMAGES.astype(complex), LABELS, {}, "real numbers, found complex"),
        (IMAGES * 0.0, LABELS, {}, "found 0 everywhere"),
        (np.zeros((60, 3, 8, 8), np.uint8), LABELS, {}, "channels first"),
        (IMAGES[None], [0], {}, "reshape the array"),
        (IMAGES, LABELS, {"validation_fraction": 1.0}, "between 0 and 1"),
        (IMAGES, LABELS, {"validation_fraction": 0.999}, "on both sides of the split"),
        (IMAGES, LABELS, {"seed": -1}, "expected a seed"),
        (IMAGES[:4], np.array([0, 0, 0, 1]), {}, "1 in the smallest class"),
    ],
)
def test_unusable_arrays_are_refused(images, labels, options, message):
    """Each error says what was found and is both a DatasetError and a ValueError."""
    with pytest.raises(DatasetError, match=message) as caught:
        Dataset.from_arrays(images, labels, **options)
    assert isinstance(caught.value, ValueError)


def test_a_rare_class_is_in_both_splits():
    """Where its share is less than one example, one is held out nevertheless."""
    labels = np.repeat([0, 1, 2], [80, 80, 2])
    images = np.zeros((162, 2, 2, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, validation_fraction=0.05)
    assert np.bincount(dataset.train.labels)[2] == np.bincount(dataset.validation.labels)[2] == 1
    assert len(dataset.validation) == 8


def test_a_split_demands_the_fixed_types():
    """Split takes uint8 images with four axes and int64 labels, and nothing else."""
    with pytest.raises(DatasetError, match="expected uint8 images"):
        Split(IMAGES.astype(np.float32), LABELS)
    with pytest.raises(DatasetError, match="expected int64 labels"):
        Split(IMAGES, LABELS.astype(np.int32))
    with pytest.raises(DatasetError, match="empty split"):
        Split(IMAGES[:0], LABELS[:0])


def test_an_unknown_source_names_the_known_ones(tmp_path):
    """A name that is neither known nor a path lists the names and the folder looked in."""
    with pytest.raises(DatasetMissingError, match=r"'mnits'.*digits, mnist.*npz") as caught:
        load_dataset("mnits", data_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DatasetError, match="found none of these"):
        load_dataset(tmp_path / "notes.txt")


def test_names_are_unique():
    """No two sources share a name."""
    assert len(set(source_names())) == len(source_names())
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_the_data_folder_comes_from_the_environment(tmp_path, monkeypatch):
    """SPARSE_SEARCH_DATA_DIR is the default folder; without it a cache folder of the user."""
    monkeypatch.setenv("SPARSE_SEARCH_DATA_DIR", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("SPARSE_SEARCH_DATA_DIR")
    assert "sparse_search" in str(default_data_dir())
