"""The table beside published figures, held against the models that are kept with it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_env

from experiments import published
from experiments.published import load
from experiments.rows import ROWS
from experiments.views import View
from sparse_search.deploy import export_c, verify
from sparse_search.memory import MEASURES, plan_memory
from sparse_search.quantized import QuantizedModel

RESULTS = Path(__file__).parents[1] / "experiments" / "results"
LARGEST_FILE_BYTES = 50_000


def table() -> list[dict[str, str]]:
    """The rows of table.csv."""
    with (RESULTS / "table.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", table(), ids=lambda row: row["row"])
def test_a_model_has_the_sizes_of_its_row_and_keeps_its_limits(row: dict[str, str]) -> None:
    """Under the definitions of the row, and under ours; its file is small enough to be kept."""
    path = RESULTS / row["model"]
    assert path.stat().st_size < LARGEST_FILE_BYTES
    plan = plan_memory(QuantizedModel.load(path))
    limits = ROWS[row["row"]].limits
    assert limits.check(plan) == []
    assert row["definition"] == f"{limits.model_definition}, {limits.memory_definition}"
    assert MEASURES[limits.model_definition].of(plan) == int(row["size_bytes"])
    assert MEASURES[limits.memory_definition].of(plan) == int(row["memory_bytes"])
    assert (plan.flash_bytes, plan.arena_bytes) == (
        int(row["flash_bytes"]),
        int(row["arena_bytes"]),
    )


@pytest.mark.parametrize("name", ["mnist-2k", "chars74k-8k"])
def test_the_exported_c_of_a_model_has_the_accuracy_of_its_row(name: str, tmp_path: Path) -> None:
    """On the whole test set: C that is made again from the file is what was measured."""
    (row,) = (row for row in table() if row["row"] == name)
    data_dir = Path(requires_env("SPARSE_SEARCH_DATA_DIR"))
    test = load(ROWS[name], data_dir).open_test()
    model = QuantizedModel.load(RESULTS / row["model"])
    folder = export_c(model, plan_memory(model), tmp_path / "c").folder
    certificate = verify(folder, np.asarray(test.images), test.labels)
    assert certificate.passed
    assert certificate.correct is not None
    percent = 100.0 * certificate.correct / certificate.images
    assert round(percent, 2) == float(row["best_accuracy"])


def test_a_view_averages_squares_and_joins_colours() -> None:
    """What does not fill a square is cut off; grey is 0.299 R + 0.587 G + 0.114 B."""
    images = np.zeros((1, 5, 4, 3), np.uint8)
    images[0, :2, :2, 0] = 200
    images[0, 4] = 255
    small = View(2).images(images)
    assert small.shape == (1, 2, 2, 3)
    assert small[0, 0, 0].tolist() == [200, 0, 0]
    assert small.sum() == 200
    grey = View(2, grey=True).images(images)
    assert grey.shape == (1, 2, 2, 1)
    assert grey[0, 0, 0, 0] == round(0.299 * 200)


@pytest.mark.parametrize(("errors", "kept"), [((0.03, 0.02, 0.04), 1), ((None, None, None), 0)])
def test_the_kept_model_is_the_best_known_without_the_test_set(
    errors: tuple[float | None, ...],
    kept: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The least validation error; the first seed where validation images were learned, too."""
    monkeypatch.setattr(published, "RUNS", tmp_path)
    row, accuracies = ROWS["mnist-munas"], (96.0, 95.0, 98.0)
    for seed, (error, accuracy) in enumerate(zip(errors, accuracies, strict=True)):
        folder = tmp_path / f"{row.name}-seed{seed}"
        folder.mkdir()
        training = {
            **{"seed": seed, "val_error": error, "accuracy": accuracy, "violations": []},
            **{"train_seconds": 36, "sizes": dict.fromkeys(MEASURES, 100 + seed)},
            "model": str(RESULTS / "models" / f"{row.name}.safetensors"),
        }
        (folder / "result.json").write_text(json.dumps(training))
    (tmp_path / f"{row.name}.json").write_text(json.dumps({"search_seconds": 36}))
    found = published.summarise(row, tmp_path)
    assert found is not None
    assert (found["size_bytes"], found["best_accuracy"]) == (100 + kept, accuracies[kept])
    assert (found["accuracy"], found["accuracy_std"], found["seeds"]) == (96.33, 1.53, 3)
    assert found["core_hours"] == 0.04
    assert (tmp_path / f"{row.name}.safetensors").is_file()
