"""chars74k, keywords, curet and the feature files, from small files of exactly the same form."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from sparse_search.dataset import load_dataset
from sparse_search.datasets import chars74k, curet, keywords
from sparse_search.datasets.registry import source_names
from sparse_search.errors import DatasetError, DatasetMissingError

GENERATOR = np.random.default_rng(0)
WORDS = ("_silence_", "_unknown_", "yes", "no")


def write_chars(data_dir, count=62 * 8):
    """The file of chars74k with made images."""
    (data_dir / "chars74k").mkdir()
    content = {
        "images": GENERATOR.integers(0, 256, (count, 20, 20, 3), dtype=np.uint8),
        "labels": (np.arange(count) % 62).astype(np.uint8),
        "ids": np.arange(count, dtype=np.int32) + 1,
        "label_names": np.array(chars74k.CLASS_NAMES),
    }
    np.savez(data_dir / "chars74k" / chars74k.FILE, **content)
    return content


def test_chars74k_has_a_fixed_test_split_of_its_own(tmp_path):
    """1886 of 6283, stratified; here 124 of 496. Everything is there once."""
    content = write_chars(tmp_path)
    raw = chars74k.load(tmp_path, test_count=124)
    test = raw.open_test()
    assert (len(raw.train), len(test)) == (372, 124)
    assert np.bincount(test.labels).tolist() == [2] * 62
    assert "no official split: 124 images" in raw.remarks[0]
    expected = {(image.tobytes(), label) for image, label in zip(
        content["images"], content["labels"].tolist(), strict=True
    )}  # fmt: skip
    found = [
        (image.tobytes(), label)
        for split in (raw.train, test)
        for image, label in zip(split.images, split.labels.tolist(), strict=True)
    ]
    assert len(found) == 496
    assert {*found} == expected
    assert (chars74k.TEST_COUNT, 6283 - chars74k.TEST_COUNT) == (1886, 4397)


def write_keywords(data_dir, spoil=None):
    """The file of keywords: 40 speakers who say each word twice, and silence."""
    names, labels = [], []
    for speaker in range(40):
        for take in range(2):
            word = f"{0xABC00000 + speaker:08x}_nohash_{take}.wav"
            names += [f"_unknown_/zero_{word}.wav", f"yes/{word}", f"no/{word}"]
            names.append(f"_silence_/{speaker * 2 + take}.wav")
            labels += [1, 2, 3, 0]
    if spoil:
        names[5] = spoil
    scales = np.array([100.0, 10.0, 1.0])
    content = {
        "mfcc": (GENERATOR.normal(0, 1, (320, 5, 3)) * scales).astype(np.float32),
        "labels": np.array(labels, np.uint8),
        "filenames": np.array(names),
        "label_names": np.array(WORDS),
    }
    (data_dir / "speech_commands").mkdir(exist_ok=True)
    np.savez(data_dir / "speech_commands" / keywords.FILE, **content)
    return content


def test_no_speaker_of_keywords_is_in_two_splits(tmp_path):
    """Whatever the seed; silence has no speaker and is spread like any class."""
    content = write_keywords(tmp_path)
    for seed in (0, 1):
        data = load_dataset("keywords", data_dir=tmp_path, seed=seed)
        assert data.class_names == WORDS
        splits = (data.train, data.validation, data.open_test())
        speakers = [
            {name.split("_nohash_")[0][-8:] for name in split.names if "_nohash_" in name}
            for split in splits
        ]
        assert sum(map(len, speakers)) == len(set.union(*speakers)) == 40
        assert [len(group) for group in speakers] == [27, 5, 8]
        names = [name for split in splits for name in split.names]
        assert sorted(names) == sorted(content["filenames"])
        assert [(s.labels == 0).sum() for s in splits] == [53, 11, 16]
    assert "no speaker is in two splits" in data.remarks[0]


def test_each_coefficient_of_keywords_has_its_own_map(tmp_path):
    """From quantile 0.1 % to 99.9 % of what is not the test split; the rest is clipped."""
    content = write_keywords(tmp_path)
    data = load_dataset("keywords", data_dir=tmp_path)
    place = {name: index for index, name in enumerate(content["filenames"].tolist())}
    seen = [place[name] for split in (data.train, data.validation) for name in split.names]
    low, high = np.quantile(content["mfcc"][seen], (0.001, 0.999), axis=(0, 1))
    test = data.open_test()
    values = content["mfcc"][[place[name] for name in test.names]]
    expected = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)
    assert data.input_shape == (5, 3, 1)
    np.testing.assert_allclose(test.images[..., 0], expected, atol=1)
    np.testing.assert_array_equal(data.to_pixels(values), test.images)
    # The smallest coefficient is resolved as well as the largest.
    assert data.train.images.std(axis=(0, 1))[2] > 30


def test_a_clip_without_speaker_is_refused(tmp_path):
    """Only silence has none."""
    write_keywords(tmp_path, spoil="yes/recorded_at_home.wav")
    with pytest.raises(DatasetError, match=r"hash of a speaker .* found 'yes/recorded_at_home"):
        load_dataset("keywords", data_dir=tmp_path)


SMALL_CURET = curet.CuretRelease(class_count=61, patch_px=8, patches=3)


def write_curet(folder, classes=61, images=8, size=(20, 24)):
    """Class folders of grey images as the archive unpacks; every pixel tells its number."""
    for label in range(classes):
        path = folder / f"sample{label + 1:02d}"
        path.mkdir(parents=True)
        for number in range(images):
            pixels = np.full(size, number * 25, np.uint8)
            pixels[:, :] += GENERATOR.integers(0, 25, size, dtype=np.uint8)
            Image.fromarray(pixels).save(path / f"{label + 1:02d}-{number + 1:02d}.png")


def test_no_image_of_curet_is_in_two_splits(tmp_path):
    """A quarter of each class's images is the test split, the same for every seed."""
    write_curet(tmp_path / "curetgrey")
    raw = curet.load_release(SMALL_CURET, tmp_path)
    test = raw.open_test()
    assert raw.class_names[0] == "sample01"
    assert raw.train.shape == (8, 8, 1)
    assert np.bincount(raw.train.labels).tolist() == [6 * 3] * 61
    assert np.bincount(test.labels).tolist() == [2 * 3] * 61
    images = [{(n.split(",")[0]) for n in split.names} for split in (raw.train, test)]
    assert not images[0] & images[1]
    assert len(images[0] | images[1]) == 61 * 8
    # Patches of one image have its level, and its group.
    levels = raw.train.images.reshape(-1, 3, 64) // 25
    assert (levels == levels[:, :1, :1]).all()
    assert (raw.groups.reshape(-1, 3) == raw.groups[::3, None]).all()
    np.testing.assert_array_equal(raw.open_test().images, test.images)


def test_validation_of_curet_has_images_of_its_own(tmp_path, monkeypatch):
    """load_dataset cuts by image, not by patch, and differently for another seed."""
    write_curet(tmp_path / "curet")
    source = next(s for s in curet.SOURCES if s.name == "curet")
    small = partial(curet.load_release, SMALL_CURET)
    monkeypatch.setattr("sparse_search.datasets.registry.SOURCES", (type(source)("curet", small),))
    first, other = (load_dataset("curet", data_dir=tmp_path, seed=seed) for seed in (0, 1))
    assert first.fingerprint() != other.fingerprint()
    splits = (first.train, first.validation, first.open_test())
    images = [{name.split(",")[0] for name in split.names} for split in splits]
    assert sum(map(len, images)) == len(set.union(*images)) == 61 * 8
    assert all(np.bincount(split.labels, minlength=61).min() > 0 for split in splits)
    assert len(first.validation) == 61 * 3


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"classes": 60}, "expected 61 class folders, found 60"),
        ({"size": (7, 24)}, "at least 8 x 8 pixels, found 7 x 24"),
    ],
)
def test_another_archive_is_no_curet(tmp_path, made, message):
    """A missing class or images of another size are named."""
    write_curet(tmp_path / "curet", images=4, **made)
    with pytest.raises(DatasetError, match=message):
        curet.load_release(SMALL_CURET, tmp_path)


def write_features(folder, labels, values, form):
    """train.txt and test.txt; every third example is in the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for label, row in zip(labels, values, strict=True):
        if form == "libsvm":
            cells = [f"{i + 1}:{value:g}" for i, value in enumerate(row) if value]
        else:
            cells = [f"{value:g}" for value in row]
        lines.append({"libsvm": " ", "tabs": "\t", "commas": ","}[form].join([str(label), *cells]))
    is_test = np.arange(len(lines)) % 3 == 2
    for name, mask in (("train.txt", ~is_test), ("test.txt", is_test)):
        chosen = [line for line, keep in zip(lines, mask, strict=True) if keep]
        (folder / name).write_text("\n".join(chosen) + "\n")
    return ~is_test, is_test


@pytest.mark.parametrize("form", ["libsvm", "tabs", "commas"])
def test_features_of_curet_have_each_their_own_map(tmp_path, form):
    """610 features of 61 classes, numbered from 1, in whatever form the lines have."""
    labels = np.arange(61 * 6) % 61 + 1
    values = np.round(GENERATOR.random((366, 610)) * np.linspace(0.01, 5, 610), 5)
    values[:, ::7] *= GENERATOR.random((366, 88)) < 0.3
    train, test = write_features(tmp_path / "curet-features", labels, values, form)
    data = load_dataset("curet-features", data_dir=tmp_path)
    assert data.class_names == tuple(str(i) for i in range(1, 62))
    assert data.input_shape == (1, 1, 610)
    low, high = values[train].min(axis=0), values[train].max(axis=0)
    expected = np.rint(np.clip((values[test] - low) / (high - low), 0, 1) * 255)
    np.testing.assert_allclose(data.open_test().images[:, 0, 0], expected, atol=1)
    np.testing.assert_array_equal(data.open_test().labels, labels[test] - 1)


def test_variant_b_of_cifar10_binary_is_grey_images(tmp_path):
    """400 grey levels a line become 20 x 20 by one map for all."""
    labels = np.array([-1, 1, 1, -1] * 12)
    values = np.round(GENERATOR.random((48, 400)), 4)
    train, test = write_features(tmp_path / "cifar10-binary-b", labels, values, "libsvm")
    data = load_dataset("cifar10-binary-b", data_dir=tmp_path)
    assert data.class_names == ("-1", "1")
    assert data.input_shape == (20, 20, 1)
    low, high = values[train].min(), values[train].max()
    expected = np.rint(np.clip((values[test] - low) / (high - low), 0, 1) * 255)
    found = data.open_test().images
    np.testing.assert_allclose(found, expected.reshape(-1, 20, 20, 1), atol=1)


def test_any_folder_of_feature_files_can_be_read(tmp_path):
    """By its path, with as many features and classes as it has."""
    labels = np.arange(60) // 20
    write_features(tmp_path / "mine", labels, GENERATOR.random((60, 5)), "tabs")
    data = load_dataset(tmp_path / "mine")
    assert (data.name, data.input_shape, data.class_count) == ("mine", (1, 1, 5), 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5\n", "expected 610 features, found 2"),
        ("0.5 " + "1 " * 610 + "\n", "whole number first in each line, the class, found 0.5"),
        ("what is this\n", "lines of a label and features"),
        ("", "lines of a label and features"),
        ("1 0:3 1:2\n", "lines of a label and features"),
    ],
)
def test_damaged_feature_files_are_refused(tmp_path, line, message):
    """The file is named."""
    (tmp_path / "curet-features").mkdir()
    (tmp_path / "curet-features" / "train.txt").write_text(line)
    (tmp_path / "curet-features" / "test.txt").write_text(line)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("curet-features", data_dir=tmp_path)
    assert "train.txt" in str(caught.value)


def test_too_few_classes_are_another_data_set(tmp_path):
    """The published one has 61."""
    values = GENERATOR.random((12, 610))
    write_features(tmp_path / "curet-features", np.arange(12) % 2, values, "tabs")
    with pytest.raises(DatasetError, match="expected 61 classes, found 2"):
        load_dataset("curet-features", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["chars74k", "keywords", "curet", "curet-features"])
def test_what_is_not_there_says_what_it_is(tmp_path, name):
    """No download is tried; the error names the place and the form."""
    assert name in source_names()
    with pytest.raises(
        DatasetMissingError, match=r"not there and cannot be downloaded: .*--data-dir"
    ):
        load_dataset(name, data_dir=tmp_path)
