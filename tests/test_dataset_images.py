"""Folders of images: layouts, splits, sizes, and what is refused or left out."""

import logging

import numpy as np
import pytest
from PIL import Image

from sparse_search.boards import BOARDS
from sparse_search.dataset import ReadOptions, load_dataset
from sparse_search.datasets.image_folder import MAX_IMAGE_BYTES
from sparse_search.datasets.image_listing import list_classes
from sparse_search.errors import DatasetError

SMALL = ReadOptions(size=(4, 4))


def write(path, value, size=(5, 6), channels=3, noise=0):
    """An image file of one value, its size as (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, channels), value, np.uint8)
    pixels[0, 0] = noise % 256
    Image.fromarray(pixels if channels > 1 else pixels[..., 0]).save(path)
    return path


def write_classes(folder, counts, **options):
    """``counts`` images by class; the pixel in the corner is the image's number in all."""
    number = 0
    for index, (name, count) in enumerate(counts.items()):
        for i in range(count):
            write(folder / name / f"{i:03d}.png", (10 + index) % 256, noise=number, **options)
            number += 1
    return folder


def numbers(split):
    """Which images are in a split."""
    return split.images[:, 0, 0, 0].tolist()


def test_classes_are_folders_and_every_image_is_in_one_split(tmp_path):
    """Names and labels come from the folders; the test split has a fifth of each class."""
    folder = write_classes(tmp_path / "fruit", {"pear": 20, "apple": 30, "fig": 10})
    data = load_dataset(folder)
    assert (data.name, data.class_names) == ("fruit", ("apple", "fig", "pear"))
    assert data.input_shape == (5, 6, 3)
    test = data.open_test()
    assert np.bincount(test.labels).tolist() == [6, 2, 4]
    assert sorted(numbers(data.train) + numbers(data.validation) + numbers(test)) == [*range(60)]
    for split in (data.train, data.validation, test):
        # pear, apple, fig were written with 10, 11, 12.
        expected = np.array([11, 12, 10])[split.labels]
        np.testing.assert_array_equal(split.images[:, 1, 1, 0], expected)
        for image, name in zip(split.images, split.names, strict=True):
            with Image.open(folder / name) as file:
                np.testing.assert_array_equal(image, np.asarray(file))
    assert "12 images are held out, fixed" in data.remarks[0]


def test_the_test_split_is_fixed_and_the_seed_moves_validation(tmp_path):
    """Two seeds have one test split and two validation splits; again is the same."""
    folder = write_classes(tmp_path / "a", {"x": 30, "y": 30})
    first, again, other = (load_dataset(folder, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert numbers(first.open_test()) == numbers(other.open_test())


def test_given_splits_are_kept(tmp_path):
    """train, valid and test folders are taken as they are, whatever their case."""
    write_classes(tmp_path / "Train", {"x": 3, "y": 4})
    write_classes(tmp_path / "valid", {"x": 1, "y": 2})
    write_classes(tmp_path / "TEST", {"x": 2, "y": 1})
    data = load_dataset(tmp_path)
    splits = (data.train, data.validation, data.open_test())
    assert [np.bincount(s.labels).tolist() for s in splits] == [[3, 4], [1, 2], [2, 1]]
    assert data.remarks == ()


def test_a_missing_given_split_is_cut_off(tmp_path):
    """With train and test only, validation comes by seed; with train alone, test is held out."""
    write_classes(tmp_path / "a" / "train", {"x": 12, "y": 12})
    assert "held out" in load_dataset(tmp_path / "a").remarks[0]
    write_classes(tmp_path / "a" / "test", {"x": 2, "y": 1})
    data = load_dataset(tmp_path / "a")
    assert (len(data.train), len(data.validation), len(data.open_test())) == (20, 4, 3)


def test_a_class_may_be_called_train(tmp_path):
    """Only folders of folders are splits."""
    data = load_dataset(write_classes(tmp_path, {"train": 5, "bus": 5, "test": 5}))
    assert data.class_names == ("bus", "test", "train")


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    """10 comes after 9."""
    data = load_dataset(write_classes(tmp_path, {str(i): 3 for i in range(11)}))
    assert data.class_names == tuple(map(str, range(11)))


def test_three_hundred_classes_of_three_images_are_split(tmp_path):
    """Each class has an image in every split."""
    data = load_dataset(write_classes(tmp_path, {f"c{i:03d}": 3 for i in range(300)}))
    for split in (data.train, data.validation, data.open_test()):
        assert np.bincount(split.labels).tolist() == [1] * 300


def test_images_lie_at_any_depth_and_others_are_left_out(tmp_path):
    """Hidden files and litter are not seen; other files are named in a remark."""
    write_classes(tmp_path, {"x/2024/may": 5, "y": 5})
    for name in (
        ".hidden.png",
        "x/.thumbs/a.png",
        "x/Thumbs.db",
        "y/notes.txt",
        "__MACOSX/z/a.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"nothing")
    data = load_dataset(tmp_path)
    assert data.class_names == ("x", "y")
    assert "2 files are no images and are left out: Thumbs.db, notes.txt" in data.remarks
    assert len(data.train) + len(data.validation) + len(data.open_test()) == 10


def test_grey_images_stay_grey_and_one_coloured_one_makes_all_colour(tmp_path):
    """Channels follow from what the files can hold; --grey makes one of three."""
    write_classes(tmp_path, {"x": 5, "y": 5}, channels=1)
    assert load_dataset(tmp_path).input_shape == (5, 6, 1)
    write(tmp_path / "x" / "colour.png", 9)
    assert load_dataset(tmp_path).input_shape == (5, 6, 3)
    assert load_dataset(tmp_path, options=ReadOptions(grey=True)).input_shape == (5, 6, 1)


def test_mixed_sizes_need_a_size(tmp_path):
    """Without one the sizes found and the option are named; with one all have it."""
    write_classes(tmp_path, {"x": 6, "y": 6})
    write(tmp_path / "x" / "wide.png", 10, (7, 99))
    with pytest.raises(DatasetError, match=r"2 sizes from 5x6 to 7x99 .*--size 24x32"):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, options=ReadOptions(size=(3, 8)))
    assert data.input_shape == (3, 8, 3)
    assert data.options.given == {"size": [3, 8]}


def test_images_that_no_board_holds_need_a_size(tmp_path):
    """The limit is above the RAM of every board."""
    assert max(board.ram_bytes for board in BOARDS.values()) < MAX_IMAGE_BYTES
    write_classes(tmp_path, {"x": 3, "y": 3}, size=(600, 600))
    with pytest.raises(DatasetError, match=r"found 600x600x3 = 1,080,000; scale them"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, options=SMALL).input_shape == (4, 4, 3)


def test_unreadable_images_are_left_out_and_named(tmp_path):
    """Text, nothing and half a file: counted, named with the reason, and no image is lost."""
    write_classes(tmp_path, {"x": 40, "y": 40})
    (tmp_path / "x" / "text.png").write_bytes(b"no image")
    (tmp_path / "y" / "empty.jpg").touch()
    half = write(tmp_path / "y" / "zzz_half.png", 3)
    half.write_bytes(half.read_bytes()[:60])
    data = load_dataset(tmp_path)
    (remark,) = [remark for remark in data.remarks if "cannot be read" in remark]
    assert remark.startswith(("2 files", "3 files"))
    assert "x/text.png (no image that can be decoded)" in remark
    assert "y/empty.jpg" in remark
    splits = (data.train, data.validation, data.open_test())
    assert sorted(number for split in splits for number in numbers(split)) == [*range(80)]


def test_a_link_to_nothing_and_a_single_other_file_are_named(tmp_path):
    """In words and in the singular."""
    write_classes(tmp_path, {"x": 40, "y": 40})
    (tmp_path / "x" / "link.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "y" / "notes.txt").touch()
    remarks = load_dataset(tmp_path).remarks
    assert "1 file is no image and is left out: notes.txt" in remarks
    (remark,) = [remark for remark in remarks if "cannot be read" in remark]
    assert "1 file cannot be read" in remark
    assert "x/link.png (a link to a file that is not there)" in remark


def test_an_unreadable_test_image_is_left_out_when_it_is_opened(tmp_path, caplog):
    """Of the test split only the beginning of each file is read before; the log names the file."""
    write_classes(tmp_path / "train", {"x": 9, "y": 9})
    write_classes(tmp_path / "test", {"x": 30, "y": 30})
    half = tmp_path / "test" / "y" / "004.png"
    half.write_bytes(half.read_bytes()[:60])
    data = load_dataset(tmp_path)
    assert data.remarks == ()
    with caplog.at_level(logging.WARNING, "sparse_search"):
        assert len(data.open_test()) == 59
    assert "y/004.png" in caplog.text


def test_many_unreadable_images_are_refused(tmp_path):
    """More than a tenth: the folder is probably damaged."""
    write_classes(tmp_path, {"x": 10, "y": 10})
    for i in range(4):
        (tmp_path / "x" / f"bad{i}.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"its 24 images to be readable, found 4 that are not"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"x": 9}, r"at least two classes, found 1 \('x'\)"),
        ({"x": 9, "y": 1}, r"at least 3 examples of each class.*found 1 of 'y'"),
        ({"x": 9, "y": 0}, r"images of class 'y', found none among 0 files"),
        ({"train/x": 9, "train/y": 9, "test/x": 9}, r"the 2 class folders .*'y' is in one of them"),
        ({"train/x": 9, "train/y": 9, "more/x": 9}, r"expected folders train.*found more, train"),
        ({"test/x": 9, "test/y": 9, "val/x": 9}, r"expected folders train.*found test, val"),
        ({"train/x": 1, "train/y": 9, "test/x": 1, "test/y": 1}, r"at least 2 .*1 of 'x'"),
    ],
)
def test_unusable_folders_are_refused(tmp_path, counts, message):
    """Each error says what was found where, and what to do."""
    write_classes(tmp_path, counts)
    for name in counts:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path)


def test_images_beside_no_folders_are_refused(tmp_path):
    """A heap of images has no classes."""
    write(tmp_path / "a.png", 1)
    with pytest.raises(DatasetError, match=r"no image beside them, found 0 folders and 1 image"):
        load_dataset(tmp_path)
    write_classes(tmp_path, {"x": 5, "y": 5})
    with pytest.raises(DatasetError, match=r"found 2 folders and 1 image, such as a\.png"):
        load_dataset(tmp_path)


def test_a_folder_too_high_names_the_right_one(tmp_path):
    """An archive often unpacks to one folder that has the classes."""
    write_classes(tmp_path / "photos", {"x": 5, "y": 5})
    with pytest.raises(DatasetError, match=f"use {tmp_path / 'photos'}"):
        load_dataset(tmp_path)


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    """The error is not a traceback."""
    write_classes(tmp_path, {"x": 5, "y": 5})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(DatasetError, match="readable folder, found: Permission denied"):
        list_classes(tmp_path)


def test_an_option_of_another_source_is_refused(tmp_path):
    """A size for digits, a label column for images: the error names what takes the option."""
    with pytest.raises(DatasetError, match=r"digits: expected no option 'size'.*folder of images"):
        load_dataset("digits", options=SMALL)
    write_classes(tmp_path, {"x": 5, "y": 5})
    with pytest.raises(DatasetError, match=r"no option 'label', got 'class'; it is for a \.csv"):
        load_dataset(tmp_path, options=ReadOptions(label="class"))
