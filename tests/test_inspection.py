"""What inspect finds: planted leaks, outliers and constants, compared with brute force."""

import os
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from sparse_search.boards import BOARDS
from sparse_search.dataset import Dataset, Split
from sparse_search.datasets.split import Labels
from sparse_search.inspection import (
    NEAR_CORRELATION,
    class_counts,
    constant_pixels,
    find_conflicts,
    find_feasibility,
    find_leaks,
    find_outliers,
    flat_images,
    has_equal_channels,
)
from sparse_search.memory import plan_memory
from sparse_search.report.inspection import balance_table, findings
from sparse_search.sampling import simple_architectures
from sparse_search.space import SearchSpace


def noise(count, shape=(12, 12, 1), seed=0):
    """Random images."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 200, (count, *shape), dtype=np.uint8)


def split(images, labels=None, names=()):
    """A split of two classes unless labels say otherwise."""
    found: Labels = np.arange(len(images)) % 2 if labels is None else np.asarray(labels, np.int64)
    return Split(np.asarray(images, np.uint8), found, tuple(names))


def correlations(first, second):
    """Pearson's correlation of each two images, by numpy."""
    rows = np.concatenate([first.reshape(len(first), -1), second.reshape(len(second), -1)])
    return np.corrcoef(rows.astype(float))[: len(first), len(first) :]


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 12, 1), (20, 20, 3), (48, 48, 3)])
def test_leaks_are_those_of_brute_force(shape):
    """Copies are exact; brighter, flatter and slightly noisy copies are near; others are none."""
    train, test = noise(300, shape), noise(80, shape, seed=1)
    generator = np.random.default_rng(2)
    test[3], test[10] = train[7], train[7]
    test[20] = train[30] + 40
    test[21] = np.rint(train[31] * 0.5 + 9)
    for place in range(40, 60):
        spread = generator.uniform(1.0, 25.0)
        spoiled = train[place] + generator.normal(0, spread, shape)
        test[place] = np.clip(np.rint(spoiled), 0, 255)
    table = correlations(train, test)
    exact = (test[:, None] == train[None]).all(axis=(2, 3, 4)).any(axis=1)
    near = (table.max(axis=0) >= NEAR_CORRELATION) & ~exact
    assert 3 <= near.sum() < 20
    (leak,) = find_leaks({"train": split(train), "test": split(test)}, most_examples=99)
    assert (leak.first, leak.second) == ("train", "test")
    assert (leak.exact, leak.near, leak.compared) == (exact.sum(), near.sum(), 78)
    expected = {(f"image {table[:, j].argmax()}", f"image {j}") for j in np.flatnonzero(near)}
    assert {*leak.examples} == expected | {("image 7", "image 3"), ("image 7", "image 10")}


def test_names_of_files_are_shown():
    """A split that knows its files says which ones leak."""
    images = noise(4)
    splits = {
        "train": split(images, names=[f"a/{i}.png" for i in range(4)]),
        "validation": split(images[:2][::-1], names=["b/0.png", "b/1.png"]),
        "test": split(noise(2, seed=5)),
    }
    first, *others = find_leaks(splits)
    assert first.examples == (("a/1.png", "b/0.png"), ("a/0.png", "b/1.png"))
    assert [(leak.first, leak.second) for leak in others] == [
        ("train", "test"), ("validation", "test"),
    ]  # fmt: skip
    assert all(not leak.exact and not leak.near for leak in others)


def test_flat_and_tiny_images_have_no_near_duplicates():
    """A flat image has no correlation; rows of a table are only compared exactly."""
    flat = np.full((4, 12, 12, 1), 9) + np.arange(4).reshape(-1, 1, 1, 1)
    (leak,) = find_leaks({"train": split(flat[:2]), "test": split(flat[2:])})
    assert (leak.exact, leak.near) == (0, 0)
    rows = noise(9, (1, 1, 5))
    (leak,) = find_leaks({"train": split(rows), "test": split(rows[:3])})
    assert (leak.exact, leak.near, leak.compared) == (3, None, 0)


def test_conflicting_labels_are_counted_once_an_image():
    """The same picture under two classes, in one split or in two."""
    images = noise(5)
    train = split([images[0], images[0], images[1], images[2]], [0, 1, 0, 1])
    test = split([images[1], images[1], images[2], images[3]], [1, 1, 1, 0])
    assert find_conflicts({"train": train, "test": test}) == (
        {0: "image 0", 1: "image 1"},
        {0: "image 2", 1: "image 0"},
    )


def test_outliers_have_the_score_of_their_definition():
    """An inverted image stands out, with the score that numpy gives; no other does."""
    generator = np.random.default_rng(0)
    base = generator.integers(60, 190, (1, 10, 10, 1))
    images = (base + generator.integers(-20, 20, (40, 10, 10, 1))).astype(np.uint8)
    images[17] = 255 - images[17]
    labels = np.arange(40) % 2
    members = images[labels == 1].astype(float)
    distances = np.sqrt(((members - members.mean(axis=0)) ** 2).mean(axis=(1, 2, 3)))
    middle = np.median(distances)
    scores = (distances - middle) / (1.4826 * np.median(np.abs(distances - middle)))
    (found,) = find_outliers({"test": split(images, labels)})
    assert (found.split, found.image, found.label) == ("test", "image 17", 1)
    assert found.score == pytest.approx(scores.max())
    assert find_outliers({"test": split(images[:9], labels[:9])}) == ()
    assert find_outliers({"test": split(np.full((20, 4, 4, 1), 7))}) == ()


def test_constant_numbers_flat_images_and_false_colours_are_found():
    """Counted over training images; a feature vector is not flat."""
    images = noise(10, (6, 6, 3))
    images[:, 0, :, 0] = 13
    assert constant_pixels(split(images)) == 6
    images[4] = (1, 2, 3)
    assert flat_images({"train": split(images)}) == ("image 4",)
    assert flat_images({"train": split(noise(3, (1, 1, 4)))}) == ()
    assert not has_equal_channels(split(images))
    assert has_equal_channels(split(np.repeat(noise(5), 3, axis=3)))
    assert not has_equal_channels(split(noise(5)))


def test_counts_are_by_class_and_split():
    """A class that is not in a split has 0."""
    splits = {"train": split(noise(3), [0, 2, 2]), "test": split(noise(1), [1])}
    assert class_counts(splits, 3).tolist() == [[1, 0], [0, 1], [2, 0]]


def test_the_smallest_networks_decide_on_boards():
    """No plan is below the input; boards that are too small for it hold none."""
    space = SearchSpace((96, 96, 3), 4)
    found = find_feasibility(space)
    smallest = plan_memory(space.build(space.smallest()))
    assert found.least_flash.flash_bytes <= smallest.flash_bytes
    assert found.least_flash.arena_bytes >= found.least_arena.arena_bytes >= 96 * 96 * 3
    assert {*found.boards, *found.too_small} == {*BOARDS.values()}
    for board in found.boards:
        assert board.arena_limit_bytes >= found.least_arena.arena_bytes
    for board in found.too_small:
        assert board.arena_limit_bytes < found.least_arena.arena_bytes
    assert found.too_small
    assert find_feasibility(SearchSpace((1000, 1000, 1), 2)).boards == ()


def test_the_smallest_networks_are_the_same_in_every_process():
    """However texts are hashed there; of equally small ones the one with the fewest MACs."""
    program = (
        "from sparse_search.inspection import find_feasibility\n"
        "from sparse_search.space import SearchSpace\n"
        "found = find_feasibility(SearchSpace((8, 8, 1), 3))\n"
        "print(found.least_flash.macs, found.least_arena.macs)\n"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(shown) == 1
    space = SearchSpace((8, 8, 1), 3)
    plans = [plan_memory(space.build(a)) for a in simple_architectures(space)]
    least = min((p.flash_bytes, p.arena_bytes, p.macs) for p in plans)
    found = find_feasibility(space).least_flash
    assert (found.flash_bytes, found.arena_bytes, found.macs) == least


def test_tables_show_names_as_they_are():
    """A class name is no markup; of many classes the largest and smallest are shown."""
    images = noise(60)
    names = ("[red]", "[/] big")
    data = Dataset.from_arrays(images, np.arange(60) % 2, test=(images, np.arange(60) % 2),
                               class_names=names)  # fmt: skip
    shown = rendered(balance_table(data, {"train": data.train, "test": data.open_test()}))
    assert all(name in shown for name in names)
    labels = np.repeat(np.arange(30), np.arange(30) + 4)
    data = Dataset.from_arrays(noise(len(labels)), labels)
    shown = rendered(balance_table(data, {"train": data.train}))
    listed = [int(line.split()[0]) for line in shown.splitlines() if line[:1].isdecimal()]
    assert {*listed} == {*range(10), *range(20, 30)}
    assert "10 largest and smallest" in " ".join(shown.split())


def rendered(table):
    """What a terminal of 100 columns shows."""
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_every_finding_is_a_sentence_with_a_level():
    """Unbalanced, leaking, grey colours: warnings; the rest is good."""
    images = np.repeat(noise(60), 3, axis=3)
    labels = np.array([0] * 50 + [1] * 10)
    data = Dataset.from_arrays(
        images, labels, test=(images[:20], labels[40:]), class_names=("often", "rare")
    )
    splits = {"train": data.train, "validation": data.validation, "test": data.open_test()}
    lines = {text.partition(":")[0]: level for level, text in findings(data, splits)}
    texts = [text for _, text in findings(data, splits) if text.startswith("labels")]
    assert "under more than one class: image" in texts[0]
    assert "(often) = image" in texts[0]
    assert lines == {
        "balance": "good", "leaks": "warning", "labels": "warning", "outliers": "good",
        "constant": "good", "colour": "warning",
    }  # fmt: skip
