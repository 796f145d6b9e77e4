"""The command line where it is used wrongly."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nothing.npz"), "nothing.npz"),
        (("run", "digits", "--max-ram", "2 potatoes"), "2KB"),
        (("run", "digits", "--target", "arduino"), "uno"),
        (("run", "digits", "--augment", "rotat 3"), "rotate"),
        (("run", "digits", "--max-model-size", "2 potatoes"), "--max-model-size: expected"),
        (("run", "nothing", "--max-ram", "2 potatoes"), "--max-ram: expected"),
        (("run", "nothing", "--start", "none.json"), "none.json"),
        (("run", "nothing", "--strategy", "magic"), "a strategy among sparse"),
        (("run", "minst"), "did you mean mnist?"),
        (("inspect", "CIFAR10"), "did you mean cifar10?"),
        (("report", "nowhere"), "nowhere"),
        (("prune", "nowhere"), "nowhere"),
        (("verify", "nowhere"), "nowhere"),
        (("plan", "nowhere.json"), "nowhere.json"),
        (("plan", sys.executable), "no text"),
        (("run", "digits", "--max-ram", "40", "--out", "o"), "smallest"),
    ],
    ids=[
        "data",
        "size",
        "board",
        "augment",
        "model-size",
        "size-before-data",
        "start-before-data",
        "strategy-before-data",
        "name",
        "case",
        "report",
        "prune",
        "verify",
        "plan",
        "program",
        "impossible",
    ],
)
def test_mistakes_end_in_one_clear_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """Wrong input names itself and what to do; no traceback."""
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "tflite", "--optimize", "speed"), "--format c only"),
        (("--backend", "cmsis-nn-dsp", "--optimize", "speed"), "--backend runtime only"),
        (("--backend", "cmsis-nn-dsp", "--max-mac-cost", "2"), "--backend runtime only"),
        (("--backend", "cmsis-nn-dsp", "--count-code"), "--backend runtime only"),
        (("--max-mac-cost", "0.5"), "--max-mac-cost"),
    ],
)
def test_options_of_an_export_that_would_have_no_effect_are_refused(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """Before the model is read: nobody is to believe that they were heeded."""
    (tmp_path / "m.safetensors").write_bytes(b"")
    done = call("export", "m.safetensors", "--out", "c", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", "").split())


def test_a_folder_that_hides_a_part_is_named(tmp_path: Path) -> None:
    """A folder of the user's called pruning gives a clear error, not a missing attribute."""
    (tmp_path / "pruning").mkdir()
    (tmp_path / "pruning" / "__init__.py").write_text("")
    done = call("run", "digits", cwd=tmp_path)
    assert done.returncode == 1
    assert "pruning" in done.stderr
    assert "rename" in done.stderr


def test_the_package_is_a_command(tmp_path: Path) -> None:
    """With python -m sparse_search it is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "sparse_search", "--version"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("sparse-search 0.")
    assert "if it alone is text" in " ".join(call("inspect", "--help").stdout.split()).replace(
        " │ │ ", " "
    )
