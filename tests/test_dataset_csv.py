"""Tables in .csv files: label column, ranges, splits, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from sparse_search.dataset import ReadOptions, load_dataset
from sparse_search.errors import DatasetError

GENERATOR = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "volts": GENERATOR.uniform(-1.0, 3.0, 60),
        "grams": GENERATOR.integers(0, 5000, 60),
        "on": GENERATOR.random(60) < 0.5,
        "kind": [("good", "bad", "ugly")[i % 3] for i in range(60)],
    }
)

LABELLED = FRAME.rename(columns={"kind": "label"})


def written(path, frame, **options):
    """The frame as a file."""
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, **{"index": False} | options)
    return path


def test_columns_are_channels_each_with_its_own_range(tmp_path):
    """Rows are images of 1 x 1; the range is that of what is not held out for the test."""
    data = load_dataset(written(tmp_path / "parts.csv", FRAME))
    assert (data.name, data.class_names) == ("parts", ("bad", "good", "ugly"))
    assert data.input_shape == (1, 1, 3)
    splits = {"train": data.train, "validation": data.validation, "test": data.open_test()}
    assert [len(split) for split in splits.values()] == [40, 8, 12]
    rows = {
        what: np.array([int(name.removeprefix("parts.csv, row ")) - 1 for name in split.names])
        for what, split in splits.items()
    }
    assert sorted(np.concatenate([*rows.values()])) == [*range(60)]
    values = FRAME[["volts", "grams", "on"]].to_numpy(float)
    seen = values[np.concatenate([rows["train"], rows["validation"]])]
    low, high = seen.min(axis=0), seen.max(axis=0)
    for what, split in splits.items():
        expected = np.rint(np.clip((values[rows[what]] - low) / (high - low), 0, 1) * 255)
        np.testing.assert_array_equal(split.images[:, 0, 0], expected)
        names = np.array(data.class_names)[split.labels]
        np.testing.assert_array_equal(names, FRAME["kind"][rows[what]])
    np.testing.assert_array_equal(data.to_pixels(values[rows["test"]]), splits["test"].images)


def test_a_constant_column_and_a_written_index_do_no_harm(tmp_path):
    """The constant becomes 0; the index that pandas writes is no feature."""
    data = load_dataset(written(tmp_path / "a.csv", FRAME.assign(on=7.5), index=True))
    assert data.input_shape == (1, 1, 3)
    assert data.train.images[..., 2].max() == 0


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_found(tmp_path, separator):
    """Semicolons and tabs give the same data as commas."""
    expected = load_dataset(written(tmp_path / "a.csv", FRAME)).fingerprint()
    path = written(tmp_path / "b.csv", FRAME, sep=separator)
    assert load_dataset(path).fingerprint() == expected


def test_the_label_column_is_found_or_named(tmp_path):
    """First "label", else the last column if it alone is text; numbers keep their order."""
    numbered = FRAME.assign(kind=[(2, 10, -1)[i % 3] for i in range(60)])
    data = load_dataset(written(tmp_path / "a.csv", numbered.rename(columns={"kind": "label"})))
    assert data.class_names == ("-1", "2", "10")
    path = written(tmp_path / "b.csv", numbered)
    with pytest.raises(DatasetError, match=r"column 'label'.*volts, grams, on, kind.*--label"):
        load_dataset(path)
    data = load_dataset(path, options=ReadOptions(label="kind"))
    assert data.class_names == ("-1", "2", "10")
    floats = written(tmp_path / "c.csv", numbered.astype({"kind": float}))
    assert load_dataset(floats, options=ReadOptions(label="kind")).class_names == ("-1", "2", "10")
    with pytest.raises(DatasetError, match="label column 'class', found the columns volts"):
        load_dataset(path, options=ReadOptions(label="class"))


def test_a_class_may_be_called_none(tmp_path):
    """Names that stand for a missing value elsewhere are classes here."""
    kinds = ["None", "NA", "null"] * 20
    data = load_dataset(written(tmp_path / "a.csv", FRAME.assign(kind=kinds)))
    assert data.class_names == ("NA", "None", "null")


def test_a_folder_of_tables_keeps_its_splits(tmp_path):
    """Columns of the test table are found by name; its range is that of the training table."""
    train, test = FRAME.iloc[:40], FRAME.iloc[40:]
    written(tmp_path / "t" / "train.csv", train)
    written(tmp_path / "t" / "test.csv", test[["kind", "on", "grams", "volts"]])
    data = load_dataset(tmp_path / "t")
    assert data.name == "t"
    np.testing.assert_array_equal(
        data.open_test().images, data.to_pixels(test[["volts", "grams", "on"]].to_numpy(float))
    )
    written(tmp_path / "t" / "validation.csv", FRAME.iloc[30:])
    assert len(load_dataset(tmp_path / "t").validation) == 30
    written(tmp_path / "t" / "test.csv", test.drop(columns="grams"))
    with pytest.raises(DatasetError, match="found no 'grams'"):
        load_dataset(tmp_path / "t").open_test()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (LABELLED.assign(volts=["1,5"] * 60), r"text in 'volts', such as '1,5' in row 1.*point"),
        (
            LABELLED.assign(volts=["1"] * 7 + ["NA"] * 53),
            r"found NA in row 8, column 'volts' \(53 cells",
        ),
        (LABELLED.assign(volts=["1"] * 59 + ["NaN"]), r"found NaN in row 60.*\(1 cell in all"),
        (FRAME.rename(columns={"kind": "Label"})[["Label", "volts"]], "is it 'Label'?"),
        (FRAME.assign(volts=[np.nan] + [1.0] * 59), r"found none in row 1, column 'volts'"),
        (FRAME.assign(kind=[None, *FRAME["kind"][1:]]), "found none in row 1"),
        (FRAME.assign(label=FRAME["volts"]), "fractions such as"),
        (FRAME.assign(kind="good"), "at least two classes"),
        (FRAME.assign(kind=["rare", *FRAME["kind"][1:]]), "found 1 of 'rare'"),
        (FRAME.iloc[:0], "0 rows"),
        (FRAME[["kind"]], "1 column;"),
        (FRAME.assign(volts=1, grams=2, on=3), "at least one column that varies"),
    ],
)
def test_unusable_tables_are_refused(tmp_path, frame, message):
    """Each error names the file, the column or row, and what to do."""
    path = written(tmp_path / "a.csv", frame)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(path)
    assert "a.csv" in str(caught.value)


def test_numbers_may_be_names_of_columns(tmp_path):
    """0, 1, 2 and so on, as pandas writes them."""
    frame = FRAME.rename(columns={"volts": "0", "grams": "1", "on": "2"})
    assert load_dataset(written(tmp_path / "a.csv", frame)).input_shape == (1, 1, 3)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    """No first line with names, another encoding, nothing."""
    path = written(tmp_path / "a.csv", FRAME, header=False)
    with pytest.raises(DatasetError, match="expected names of columns in the first line, found"):
        load_dataset(path)
    for content in (b"", b"a,label\n\xff\xfe\x00,b\n", b'a,label\n"1,2\n3'):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"a\.csv"):
            load_dataset(path)
    for content, message in (
        ("a,label\n1,é\n".encode("latin-1"), "another encoding; save it again as UTF-8"),
        (b"a,label\n1,x\n1,2,x\n", "expected 2 cells in each line.*found 3 in line 3"),
    ):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=message):
            load_dataset(path)
