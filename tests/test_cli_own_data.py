"""Own data through the command line: from a folder of photographs to verified C, and mistakes."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import requires_tool
from photographs import KINDS, write_photographs
from test_cli import call

from sparse_search.dataset import ReadOptions, load_dataset
from sparse_search.record import StudyRecord

RUN = (
    "run", "photos", "--size", "24", "--budget", "quick", "--candidates", "2",
    "--final-models", "1", "--max-ram", "4KB", "--max-model-size", "4KB", "--out", "out",
)  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 300 photographs and a finished run on them."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("own")
    write_photographs(folder / "photos")
    (folder / "photos" / "dots" / "broken.jpg").write_bytes(b"no image")
    done = call(*RUN, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 file cannot be read and is left out: dots/broken.jpg" in done.stdout
    assert "4 classes; limits: arena_bytes <= 4,096 B" in done.stdout
    assert "agree on all 60 test images" in done.stdout
    return folder


def test_photographs_become_verified_c(workplace: Path) -> None:
    """The front beats guessing by far, and its C names the classes."""
    front = pd.read_csv(workplace / "out" / "front.csv")
    assert front.test_error.min() < 0.4
    export = workplace / "out" / "exports" / str(front.candidate[0])
    manifest = json.loads((export / "manifest.json").read_text())
    assert tuple(manifest["class_names"]) == KINDS
    assert manifest["dataset"]["options"] == {"size": [24, 24]}
    assert manifest["input"]["shape"] == [24, 24, 3]
    assert "pixel_0" not in manifest["input"]


def test_the_same_command_is_complete_and_other_options_are_named(workplace: Path) -> None:
    """A resumed run needs the same pixels; the message shows both options."""
    done = call(*RUN, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "complete: all 2 candidates" in done.stdout
    done = call(*RUN, "--grey", cwd=workplace)
    assert done.returncode == 1
    assert "dataset.fingerprint" in done.stderr
    assert "dataset.options: the study has {'size': [24, 24]}" in done.stderr


def test_later_commands_read_the_data_as_the_run_did(workplace: Path, tmp_path: Path) -> None:
    """export, verify and prune need no option again: all test images are compared."""
    shutil.copytree(workplace / "out", tmp_path / "out")
    shutil.copytree(workplace / "photos", tmp_path / "photos")
    done = call("export", "out", "--out", "c", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = call("verify", "c", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "60 of 60 images identical" in done.stdout
    assert "random images" not in done.stdout
    candidate = StudyRecord.open(tmp_path / "out").front().evaluations[0].candidate.id
    done = call(
        "prune", "out", "--candidate", str(candidate), "--methods", "magnitude",
        "--codebook-bits", "none", "--max-loss", "0", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree on all 60 test images" in done.stdout


def test_inspect_says_what_there_is(workplace: Path) -> None:
    """Shape, splits, unreadable files, findings, the smallest network and boards."""
    done = call("inspect", "photos", "--size", "24", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "images of 24x24x3" in done.stdout
    assert "200 train, 40 validation, 60 test" in done.stdout
    assert "dots/broken.jpg" in done.stdout
    for word in ("balance:", "leaks:", "labels:", "outliers:", "constant:", "least flash"):
        assert word in done.stdout
    assert re.search(r"boards that hold one: .*microbit-v1", done.stdout)
    done = call("inspect", "photos", "--size", "500", cwd=workplace)
    assert done.returncode == 1
    assert "no board that is known holds any network" in done.stdout


def test_a_table_becomes_verified_c(tmp_path: Path) -> None:
    """Three numbers and a class in a line."""
    requires_tool("gcc")
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    frame = pd.DataFrame(generator.normal(labels[:, None] * [1, 2, 30], [1, 0.5, 9], (240, 3)))
    frame = frame.rename(columns=str).assign(state=np.array(["off", "idle", "on"])[labels])
    frame.to_csv(tmp_path / "pump.csv", index=False)
    done = call(
        "run", "pump.csv", "--label", "state", "--candidates", "2", "--final-models", "1",
        "--max-ram", "64", "--max-model-size", "1KB", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree on all 48 test images" in done.stdout
    front = pd.read_csv(tmp_path / "runs" / "pump" / "front.csv")
    export = tmp_path / "runs" / "pump" / "exports" / str(front.candidate[0])
    recorded = json.loads((export / "manifest.json").read_text())["input"]
    data = load_dataset(tmp_path / "pump.csv", options=ReadOptions(label="state"))
    assert (tuple(recorded["pixel_0"]), tuple(recorded["pixel_255"])) == data.input_map


def test_leaks_are_shown_and_do_not_fail(workplace: Path, tmp_path: Path) -> None:
    """A photograph that is in train and test: a warning with both names, exit code 0."""
    for split in ("train", "test"):
        write_photographs(tmp_path / "p" / split, 24, seed=len(split))
    shutil.copy(tmp_path / "p/train/dots/001.jpg", tmp_path / "p/test/dots/copy.jpg")
    done = call("inspect", "p", "--size", "16", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 image of test is in train too" in done.stdout
    assert "dots/copy.jpg = dots/001.jpg" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "photos"), "say what to scale them to, such as --size 32"),
        (("inspect", "photos", "--size", "big"), "24x32 for height x width"),
        (("inspect", "photos", "--size", "0"), "24x32 for height x width"),
        (("inspect", "photos/dots"), "no image beside them, found 0 folders"),
        (("inspect", "photos/dots/001.jpg"), "found none of these"),
        (("inspect", "photos", "--label", "x"), "no option 'label'"),
        (("inspect", "digits", "--grey"), "no option 'grey'"),
        (("run", "photos", "--size", "24", "--max-ram", "1KB", "--out", "o"), "smallest"),
        (("inspect", "photographs"), "no such name or path"),
    ],
)
def test_mistakes_with_own_data_are_named(
    workplace: Path, arguments: tuple[str, ...], words: str
) -> None:
    """One clear line, exit code 1, no traceback."""
    done = call(*arguments, cwd=workplace)
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr + done.stdout
