"""A .csv file: one example a line, numbers in the columns and one column that names the class.

| what | rule |
|---|---|
| separator | comma, semicolon or tab, whichever the first line has most of |
| first line | names of the columns |
| label | the column that was asked for; else "label"; else the last one if it alone holds text |
| features | all other columns, as an image of 1 x 1 with a channel for each |
| pixels | each column by its own range outside the test split |
| splits | a folder with train.csv and test.csv (and validation.csv) keeps them; else cut by seed |

Classes are in the order of their names, and of their numbers where all labels are whole numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DatasetError
from .pixels import InputMap, fit_column_map, to_pixels
from .reading import ReadOptions
from .source import RawDataset, Source
from .split import Labels, Split, check_every_class, class_indices, counted
from .stratify import TEST_FRACTION, TEST_SPLIT_SEED, check_class_sizes, stratified_split

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = ",;\t"
_USUAL_LABEL = "label"
# What stands for a missing number in a column of numbers.
_MISSING = {"na", "n/a", "nan", "null", "none", "?", "-"}
TRAIN_FILE, VALIDATION_FILE, TEST_FILE = "train.csv", "validation.csv", "test.csv"


@dataclass(frozen=True)
class _Coding:
    """How every split of a table is read.

    Attributes:
        label: Name of the label column.
        columns: Names of the features, in order.
        class_names: In the order of the class indices.
        input_map: Of each feature.
    """

    label: str
    columns: tuple[str, ...]
    class_names: tuple[str, ...]
    input_map: InputMap


def load(path: Path, options: ReadOptions) -> RawDataset:
    """Reads a .csv file, or the train.csv and test.csv of a folder.

    Raises:
        DatasetError: The file is damaged, has no clear label column, or text among its features.
    """
    file = path / TRAIN_FILE if path.is_dir() else path
    frame = _read(file)
    label = _label_column(frame, options.label, file)
    columns = tuple(str(name) for name in frame.columns if name != label)
    texts = _label_texts(frame, label, file)
    labels, class_names = class_indices(texts, _class_names(texts), f"{file}: {label}")
    held_out = np.array([], np.intp)
    open_validation = path / VALIDATION_FILE if (path / VALIDATION_FILE).is_file() else None
    check_class_sizes(labels, class_names, file, 3 if path.is_file() else 1 + (not open_validation))
    if path.is_file():
        _, held_out = stratified_split(labels, TEST_FRACTION, TEST_SPLIT_SEED, file)
    rest = np.setdiff1d(np.arange(len(labels)), held_out)
    values = _features(frame, columns, file)
    input_map = fit_column_map(values[rest], file)
    coding = _Coding(label, columns, class_names, input_map)
    remarks = ["each column is mapped to 0 .. 255 by its own range outside the test split"]
    if path.is_file():
        remarks.append(f"{file.name} has no test split: {len(held_out)} rows are held out, fixed")
        open_test = partial(_open_rows, file, coding, held_out)
    else:
        _label_column(_read(path / TEST_FILE, rows=1), label, path / TEST_FILE)
        open_test = partial(_open_rows, path / TEST_FILE, coding, None)
    return RawDataset(
        name=file.parent.resolve().name if path.is_dir() else file.stem,
        class_names=class_names,
        train=_split(values, labels, coding, file, rest),
        open_test=open_test,
        validation=_open_rows(open_validation, coding, None) if open_validation else None,
        input_map=input_map,
        remarks=tuple(remarks),
    )


def _open_rows(file: Path, coding: _Coding, rows: Any) -> Split:
    """Some rows of a table, or all, read as the training split was."""
    frame = _read(file)
    missing = [name for name in (coding.label, *coding.columns) if name not in frame.columns]
    if missing:
        raise DatasetError(
            f"{file}: expected the columns of the training table, found no "
            f"{', '.join(map(repr, missing[:5]))}; prepare all splits in the same way"
        )
    texts = _label_texts(frame, coding.label, file)
    labels, _ = class_indices(texts, coding.class_names, f"{file}: {coding.label}")
    rows = np.arange(len(labels)) if rows is None else rows
    split = _split(_features(frame, coding.columns, file), labels, coding, file, rows)
    check_every_class(split.labels, coding.class_names, file)
    return split


def _split(values: Any, labels: Labels, coding: _Coding, file: Path, rows: Any) -> Split:
    names = tuple(f"{file.name}, row {row + 1}" for row in rows)
    return Split(to_pixels(values[rows], coding.input_map, file), labels[rows], names)


def _read(file: Path, rows: int | None = None) -> "pd.DataFrame":
    import pandas as pd

    expected = (
        f"{file}: expected a .csv file in UTF-8 with names of columns in its first line, found"
    )
    try:
        with file.open(encoding="utf-8-sig") as stream:
            first = stream.readline()
        separator = max(_SEPARATORS, key=first.count)
        # Of what others take for a missing value, NA or None may be a class: only nothing is one.
        frame = pd.read_csv(
            file, sep=separator, nrows=rows, encoding="utf-8-sig", skipinitialspace=True,
            low_memory=False, keep_default_na=False, na_values=[""],
        )  # fmt: skip
    except UnicodeError:
        raise DatasetError(
            f"{expected} another encoding; save it again as UTF-8, in a spreadsheet as 'CSV UTF-8'"
        ) from None
    except (OSError, ValueError) as error:
        ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if ragged:
            raise DatasetError(
                f"{file}: expected {ragged[1]} cells in each line, as in those before, found "
                f"{ragged[3]} in line {ragged[2]}; correct the line, or put quotes around a cell "
                f"with {separator!r} in it"
            ) from None
        raise DatasetError(
            f"{expected}: {str(error).strip()}; save it again as comma-separated values"
        ) from None
    if not _are_names([str(name) for name in frame.columns]):
        raise DatasetError(
            f"{file}: expected names of columns in the first line, found {first.strip()[:60]!r}; "
            "add a first line with a name for each column, such as a,b,c,label"
        )
    frame.columns = frame.columns.map(str).str.strip()
    # pandas names a column without a name so: the index that it writes itself, which is no feature.
    unnamed = [name for name in frame.columns[:1] if name == "Unnamed: 0"]
    frame = frame.drop(columns=unnamed)
    if frame.empty or len(frame.columns) < 2:
        raise DatasetError(
            f"{file}: expected rows with a label and at least one feature, found "
            f"{counted(len(frame), 'row')} and {counted(len(frame.columns), 'column')}; is "
            f"{separator!r} the separator?"
        )
    return frame


def _label_column(frame: "pd.DataFrame", asked: str | None, file: Path) -> str:
    names = [str(name) for name in frame.columns]
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    if asked is not None:
        if asked not in names:
            raise DatasetError(
                f"{file}: expected a label column {asked!r}, found the columns {shown}; name one "
                f"of them with --label{_other_case(asked, names)}"
            )
        return asked
    if _USUAL_LABEL in names:
        return _USUAL_LABEL
    texts = list(_text_columns(frame, names))
    if texts == names[-1:]:
        return names[-1]
    raise DatasetError(
        f"{file}: expected a column {_USUAL_LABEL!r}, or text in the last column and no other, "
        f"found the columns {shown}, with text in {', '.join(texts[:5]) or 'none'}; name the label "
        f"column with --label (from Python ReadOptions(label=...))"
        f"{_other_case(_USUAL_LABEL, names)}"
    )


def _other_case(wanted: str, names: list[str]) -> str:
    """Names the column that differs in the case of letters only."""
    similar = [name for name in names if name.lower() == wanted.lower()]
    return f": is it {similar[0]!r}?" if similar else ""


def _text_columns(frame: "pd.DataFrame", names: list[str]) -> Iterator[str]:
    return (name for name in names if frame[name].dtype.kind not in "iufb")


def _label_texts(frame: "pd.DataFrame", label: str, file: Path) -> Any:
    """Labels as texts [n]; whole numbers as their digits."""
    column = frame[label]
    if column.isna().any():
        raise DatasetError(
            f"{file}: expected a label in each row, found none in row "
            f"{int(column.isna().to_numpy().argmax()) + 1} ({int(column.isna().sum())} in all); "
            f"fill in column {label!r} or remove these rows"
        )
    if column.dtype.kind == "f":
        if not (column % 1 == 0).all():
            raise DatasetError(
                f"{file}: expected classes in column {label!r}, found fractions such as "
                f"{column[column % 1 != 0].iloc[0]:g}; a network here tells classes apart, so name "
                "another column with --label or divide the values into classes"
            )
        column = column.astype(np.int64)
    return np.array([str(value).strip() for value in column], dtype=np.str_)


def _class_names(texts: Any) -> tuple[str, ...]:
    names = [str(name) for name in np.unique(texts)]
    if all(name.removeprefix("-").isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def _features(frame: "pd.DataFrame", columns: tuple[str, ...], file: Path) -> Any:
    """Numbers, float64 [n, columns]."""
    import pandas as pd

    table = frame[list(columns)]
    texts = list(_text_columns(table, list(columns)))
    if texts:
        column = table[texts[0]].astype(str)
        no_numbers = pd.to_numeric(column, errors="coerce").isna().to_numpy()
        row = int(no_numbers.argmax())
        if set(column[no_numbers].str.strip().str.lower()) <= _MISSING:
            raise DatasetError(
                _no_number(file, column.iloc[row], row, texts[0], int(no_numbers.sum()))
            )
        raise DatasetError(
            f"{file}: expected numbers in all columns but the label, found text in "
            f"{', '.join(map(repr, texts[:5]))}, such as {column.iloc[row]!r} in row {row + 1}; "
            "remove these columns, turn them into numbers (with a decimal point), or name the "
            "label column with --label"
        )
    values = table.to_numpy(np.float64)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        found = "none" if np.isnan(values[row, column]) else str(values[row, column])
        raise DatasetError(_no_number(file, found, int(row), columns[column], len(wrong)))
    return values


def _no_number(file: Path, found: str, row: int, column: str, cells: int) -> str:
    return (
        f"{file}: expected a finite number in each cell, found {found} in row {row + 1}, column "
        f"{column!r} ({counted(cells, 'cell')} in all); fill in or remove these rows"
    )


def _are_names(cells: list[str]) -> bool:
    """Whether the first line has names and not numbers; ascending ones, 0, 1, 2, are names."""
    numbers = [cell for cell in cells if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell.lower())]
    if not all(cell.isdecimal() for cell in numbers):
        return False
    values = [int(cell) for cell in numbers]
    return all(first < second for first, second in pairwise(values))


def _accepts(path: Path) -> bool:
    if path.is_dir():
        return (path / TRAIN_FILE).is_file() and (path / TEST_FILE).is_file()
    return path.suffix.lower() == ".csv"


SOURCES = (
    Source(
        f"a .csv file, or a folder with {TRAIN_FILE} and {TEST_FILE}",
        load,
        _accepts,
        options=("label",),
    ),
)
