"""The command line, as a person uses it: run, resume, report, export, verify, plan."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import requires_tool
from emulated import requires_core
from PIL import Image

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.deploy.manifest import read_manifest
from sparse_search.record import StudyRecord

COLUMNS = [
    "candidate",
    "val_error",
    "test_error",
    "nonzeros",
    "flash_bytes",
    "arena_bytes",
    "in_weights_bytes",
    "in_out_bytes",
    "macs",
    "parameters",
]


def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sparse_search.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of two easy classes and a finished run on it."""
    requires_tool("gcc")
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 2
    images = rng.integers(0, 120, (240, 8, 8), dtype=np.uint8)
    images[labels == 1, 2:6, 2:6] += 100
    np.savez(folder / "squares.npz", images=images, labels=labels)
    done = call(*RUN, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree on all 48 test images" in done.stdout
    return folder


RUN = (
    "run", "squares.npz", "--max-ram", "1KB", "--max-model-size", "1KB", "--candidates", "2",
    "--final-models", "1", "--out", "out",
)  # fmt: skip


def test_a_run_leaves_front_picture_and_verified_c(workplace: Path) -> None:
    """The run's folder holds what the README promises."""
    front = pd.read_csv(workplace / "out" / "front.csv")
    assert list(front.columns) == COLUMNS
    assert len(front) >= 1
    assert front.test_error.notna().all()
    assert (front.flash_bytes <= 1024).all()
    assert (front.arena_bytes <= 1024).all()
    assert "<html" in (workplace / "out" / "report.html").read_text()
    with Image.open(workplace / "out" / "front.png") as picture:
        assert min(picture.size) > 400
    for candidate in front.candidate:
        export = workplace / "out" / "exports" / str(candidate)
        certificate = json.loads((export / "certificate.json").read_text())["host"]
        assert certificate["identical"] == certificate["images"] == 48
        names = {path.name for path in export.iterdir()}
        assert {"model.h", "model.c", "model_weights.h", "main.c", "Makefile"} <= names


def test_the_exported_makefile_runs_the_golden_inputs(workplace: Path, tmp_path: Path) -> None:
    """A person with a compiler and nothing else can run the export."""
    requires_tool("make")
    export = next((workplace / "out" / "exports").iterdir())
    shutil.copytree(export, tmp_path / "c")
    done = subprocess.run(
        ["make", "run"], cwd=tmp_path / "c", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout


def test_the_same_command_says_that_it_is_complete(workplace: Path) -> None:
    """A second run evaluates nothing and changes no figure."""
    before = (workplace / "out" / "front.csv").read_bytes()
    done = call(*RUN, cwd=workplace)
    assert done.returncode == 0
    assert "complete" in done.stdout
    assert (workplace / "out" / "front.csv").read_bytes() == before


def test_other_settings_are_refused_by_name(workplace: Path) -> None:
    """A run cannot be continued with another limit, or with images that vary otherwise."""
    done = call(*(a if a != "1KB" else "3KB" for a in RUN), "--augment", "negative", cwd=workplace)
    assert done.returncode == 1
    assert "model_bytes" in done.stderr
    assert "3072" in done.stderr
    assert "augmentation.negative: the study has False, this call has True" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_begins_with_plain_networks_or_random_ones(workplace: Path, tmp_path: Path) -> None:
    """Which is one of its settings."""
    refused = call(*RUN, "--start", "random", cwd=workplace)
    assert refused.returncode == 1
    assert "start" in refused.stderr
    other = ("--start", "random", "--out", str(tmp_path / "out"))
    assert call(*RUN[:-2], *other, cwd=workplace).returncode == 0
    for folder, origin in ((workplace, "given"), (tmp_path, "random")):
        outcomes = StudyRecord.open(folder / "out").history().outcomes
        assert [o.candidate.origin for o in outcomes[:2]] == [origin, origin]


def test_the_goal_of_accuracy_leaves_the_most_accurate_model(workplace: Path) -> None:
    """Sizes are limits then, under any definition; pruning further has nothing to gain."""
    limits = ("--max-ram", "120", "--memory-definition", "in+out")
    done = call(*RUN[:2], *limits, *RUN[6:-1], "best", "--goal", "accuracy", cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    front = pd.read_csv(workplace / "best" / "front.csv")
    assert front.val_error.nunique() == 1
    assert (front.in_out_bytes <= 120).all()
    done = call("prune", "best", cwd=workplace)
    assert done.returncode == 1
    assert "--goal front" in " ".join(done.stderr.split())


def test_report_export_verify_and_plan_work_on_the_run(workplace: Path) -> None:
    """The other commands read what the run left."""
    done = call("report", "out", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[2-9] candidates evaluated, 0 unfinished", done.stdout)
    done = call("export", "out", "--out", "c", cwd=workplace)
    assert done.returncode == 0, done.stderr
    done = call("verify", "c", cwd=workplace)
    assert done.returncode == 0, done.stdout
    assert "48 of 48 images identical" in done.stdout
    done = call("plan", "c", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "in+weights" in done.stdout
    assert (workplace / "c" / "plan.png").exists()


def test_report_writes_a_page_and_its_figures(workplace: Path, tmp_path: Path) -> None:
    """A page with the run's models, the figures of each; links lead to the exports."""
    done = call("report", "out", "--html", "--png", "--svg", "--out", str(tmp_path), cwd=workplace)
    assert done.returncode == 0, done.stderr
    front = pd.read_csv(workplace / "out" / "front.csv")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f"exports/{candidate}" in page for candidate in front.candidate)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"front.png", "sizes.svg", "hypervolume.png"} <= names
    assert {f"plan-{candidate}.svg" for candidate in front.candidate} <= names


def test_report_compares_runs(workplace: Path, tmp_path: Path) -> None:
    """A row for each run, the reference point in words, a picture and a page."""
    shutil.copytree(workplace / "out", tmp_path / "again")
    done = call("report", str(workplace / "out"), "again", "--html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines() if "squares" in line]
    assert rows == ["out", "again"]
    assert "below the common reference point: val_error " in done.stdout
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == {
        "fronts.png",
        "report.html",
    }


def test_verify_runs_on_emulated_cores(workplace: Path, tmp_path: Path) -> None:
    """A column for each core and an entry in the certificate; one that fails is exit code 1."""
    for core in ("m0", "avr"):
        requires_core(core)
    export = next((workplace / "out" / "exports").iterdir())
    shutil.copytree(export, tmp_path / "c")
    shutil.copy(workplace / "squares.npz", tmp_path)
    command = ("verify", "c", "--core", "m0", "--core", "avr", "--images", "5")
    done = call(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"figure +m0 +avr", done.stdout)
    assert re.search(r"identical +5 +5\n", done.stdout)
    stored = json.loads((tmp_path / "c" / "certificate.json").read_text())
    assert stored.keys() == {"host", "m0", "avr"}
    assert stored["host"]["images"] == 48
    assert stored["avr"]["correct"] is not None
    with (tmp_path / "c" / "model.c").open("a") as file:
        file.write("/* mine */\n")
    done = call(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_an_export_keeps_the_policy_that_it_was_asked_for(workplace: Path) -> None:
    """Cap, counted code and optimization are in the manifest, `plan` reads it, the C agrees."""
    options = ("--max-mac-cost", "1", "--count-code")
    done = call("export", "out", "--out", "fast", "--optimize", "speed", *options, cwd=workplace)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((workplace / "fast" / "manifest.json").read_text())
    assert manifest["optimize"] == "speed"
    recorded = manifest["memory_plan"]
    assert recorded["policy"]["max_mac_cost"] == 1.0
    assert recorded["policy"]["count_code"] is True
    assert call("verify", "fast", cwd=workplace).returncode == 0
    shown = call("plan", "fast", cwd=workplace)
    assert f"{recorded['flash_bytes']:,}" in shown.stdout
    assert call("plan", "fast", *options, cwd=workplace).stdout == shown.stdout
    done = call("export", "out", "--out", "none", "--max-mac-cost", "0.9", cwd=workplace)
    assert done.returncode == 2
    assert "--max-mac-cost" in done.stderr


def test_the_file_of_a_model_is_exported_without_its_run(workplace: Path, tmp_path: Path) -> None:
    """The C is that of the run's export but for names, classes and golden inputs, and verified."""
    export = next((workplace / "out" / "exports").iterdir())
    model = workplace / "out" / "models" / f"{export.name}.safetensors"
    done = call("export", str(model), "--out", "c", "--prefix", "gate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mine, theirs = read_manifest(tmp_path / "c"), read_manifest(export)
    assert mine.prefix == "gate"
    assert mine.model_hash == theirs.model_hash
    assert mine.memory_plan == theirs.memory_plan
    assert "int gate_invoke(" in (tmp_path / "c" / "gate.h").read_text()
    done = call("verify", "c", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout
    shown, exported = (
        call("plan", subject, "--png", "plan.png", cwd=tmp_path) for subject in (str(model), "c")
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == exported.stdout
    done = call("export", str(model), "--out", "d", "--candidate", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert "--candidate is for a run" in done.stderr


def test_a_model_can_be_written_as_a_file(workplace: Path) -> None:
    """The .tflite of a model has its hash; what concerns C only is refused, and so is a folder."""
    done = call("export", "out", "--out", "model.tflite", "--format", "tflite", cwd=workplace)
    assert done.returncode == 0, done.stderr
    data = (workplace / "model.tflite").read_bytes()
    assert data[4:8] == b"TFL3"
    assert call("export", "out", "--out", "same", cwd=workplace).returncode == 0
    recorded = json.loads((workplace / "same" / "manifest.json").read_text())
    assert recorded["model_hash"].encode() in data
    done = call("export", "out", "--out", "out", "--format", "tflite", cwd=workplace)
    assert "expected a file to write, got the folder out" in done.stderr
    done = call("export", "out", "--out", "x", "--format", "tflite", "--count-code", cwd=workplace)
    assert done.returncode == 2
    assert "--format c only" in done.stderr


def test_c_can_be_laid_out_for_arduino_or_call_cmsis_nn(workplace: Path) -> None:
    """The library is verified like any export; a plan for CMSIS-NN has scratch memory."""
    done = call("export", "out", "--out", "ino", "--layout", "arduino", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert (workplace / "ino" / "library.properties").is_file()
    assert call("verify", "ino", cwd=workplace).returncode == 0
    done = call("export", "out", "--out", "nn", "--backend", "cmsis-nn-mve", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "arm_fully_connected_per_channel_s8" in (workplace / "nn" / "model.c").read_text()
    recorded = json.loads((workplace / "nn" / "manifest.json").read_text())["memory_plan"]
    assert recorded["kernels"] == "cmsis-nn-mve"
    assert "scratch" in {allocation["kind"] for allocation in recorded["allocations"]}


def test_prune_adds_to_the_front_and_draws_what_it_did(workplace: Path, tmp_path: Path) -> None:
    """Steps are measured, exported and verified; the same command again finds all there."""
    shutil.copytree(workplace / "out", tmp_path / "out")
    shutil.copy(workplace / "squares.npz", tmp_path)
    before = pd.read_csv(tmp_path / "out" / "front.csv")
    command = ("prune", "out", "--methods", "magnitude", "--models", "1")
    done = call(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Of 1 model, (1|none) became smaller", done.stdout)
    assert "agree on all 48 test images" in done.stdout
    assert "pruned from" in done.stdout
    front = pd.read_csv(tmp_path / "out" / "front.csv")
    assert front.test_error.notna().all()
    assert front.flash_bytes.min() <= before.flash_bytes.min()
    pictures = tmp_path / "out" / "pruning"
    assert len(list(pictures.glob("path-*.png"))) == 1
    assert {path.stem for path in pictures.glob("layers-*.png")} >= {
        f"layers-{candidate}" for candidate in front.candidate
    }
    shutil.rmtree(pictures)
    done = call("report", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "became smaller" in done.stdout
    assert len(list(pictures.glob("path-*.png"))) == 1
    done = call(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert pd.read_csv(tmp_path / "out" / "front.csv").equals(front)


def test_mistakes_of_prune_are_named(workplace: Path) -> None:
    """A candidate, a method or a codebook that there is not; no traceback."""
    for option, value, words in (
        ("--candidate", "999", "got 999; the front has candidates"),
        ("--methods", "magic", "expected pruning methods among channels, "),
        ("--codebook-bits", "9", "expected 2, 3 or 4 bits"),
    ):
        done = call("prune", "out", option, value, cwd=workplace)
        assert done.returncode != 0
        assert words in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr + done.stdout


def test_verify_finds_a_changed_weight(workplace: Path, tmp_path: Path) -> None:
    """A tampered export fails with exit code 1 and the name of a layer or file."""
    export = next((workplace / "out" / "exports").iterdir())
    shutil.copytree(export, tmp_path / "c")
    header = tmp_path / "c" / "model_weights.h"
    text = header.read_text()
    start = text.index("{", text.index("bias"))
    header.write_text(text[:start] + "{ 12345, " + text[start + 1 :].partition(",")[2])
    done = call("verify", "c", cwd=tmp_path)
    assert done.returncode == 1
    assert "model_weights.h" in done.stdout


def test_plan_reads_an_architecture(tmp_path: Path) -> None:
    """Every definition is shown for an architecture that was never trained."""
    architecture = Architecture((ConvBlock((Conv2D(4, 3, 2), Conv2D(8, 3, 2)), "max"),))
    (tmp_path / "a.json").write_text(architecture.to_json())
    done = call("plan", "a.json", "--input", "28x28x1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("arena", "in+weights", "in+out", "live-no-input", "nonzeros", "flash"):
        assert name in done.stdout
    assert (tmp_path / "plan.png").exists()


def test_boards_and_version_are_shown() -> None:
    """Boards are listed with their memory."""
    done = call("boards")
    assert done.returncode == 0
    assert "ATmega328P" in done.stdout
    assert "sparse-search 0." in call("--version").stdout


def test_the_readme_example_runs(workplace: Path, tmp_path: Path) -> None:
    """The Python example of the README, on a smaller data set and with fewer candidates."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) < 10 + code.count("\n\n")
    code = code.replace('"digits"', repr(str(workplace / "squares.npz")))
    code = code.replace("candidates=24", "candidates=1").replace(
        "limits=", "final_models=1, limits="
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exported" / "model.h").exists()
