"""Paths on the command line: brackets, `~`, folders that are no place for a run, read-only ones."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from report_runs import made_run
from test_cli import call

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.cli import main
from sparse_search.record import StudyRecord

SMALL = Architecture((ConvBlock((Conv2D(4, 3, 2),)),))


def write_squares(path: Path) -> None:
    """Two easy classes of 8x8 images."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = rng.integers(0, 120, (120, 8, 8), dtype=np.uint8)
    images[labels == 1, 2:6, 2:6] += 100
    np.savez(path, images=images, labels=labels)


def main_here(*arguments: str) -> int:
    """Runs the command line in this process; its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.mark.parametrize("out", ["file", "file/run", "/proc/foo", "full"])
def test_what_is_no_place_for_a_run_is_one_line(tmp_path: Path, out: str) -> None:
    """A file, what is below one, a folder that cannot be made, one that holds other things."""
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    done = call("run", "digits", "--out", out, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert out.partition("/run")[0] in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_limits_that_nothing_keeps_do_not_occupy_the_folder(tmp_path: Path) -> None:
    """With larger ones the same folder serves, and other settings are refused only then."""
    write_squares(tmp_path / "squares.npz")
    run = ("run", "squares.npz", "--candidates", "1", "--final-models", "1", "--out", "out")
    failed = call(*run, "--max-ram", "20", cwd=tmp_path)
    assert failed.returncode == 1
    assert "smallest" in failed.stderr
    done = call(*run, "--max-ram", "1KB", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert StudyRecord.open(tmp_path / "out").limits.ram_bytes == 1024
    assert "the size of the model has no limit; --max-model-size or --target" in done.stdout
    assert "the working memory has no limit" not in done.stdout
    failed = call(*run, "--max-ram", "2KB", cwd=tmp_path)
    assert "other settings" in failed.stderr
    failed = call(*run, "--max-ram", "1KB", "--start", "out", cwd=tmp_path)
    assert failed.returncode == 1
    assert "expected another run for --start than out" in failed.stderr


def test_a_run_of_more_candidates_than_asked_for_says_so(tmp_path: Path) -> None:
    """Nothing is taken away, and nothing is claimed to be complete that is more."""
    write_squares(tmp_path / "squares.npz")
    run = ("run", "squares.npz", "--final-models", "1", "--out", "out", "--candidates")
    assert call(*run, "3", cwd=tmp_path).returncode == 0
    done = call(*run, "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "complete: all 3 candidates" in done.stdout
    assert "the run had 3 candidates, which is more than the 1 asked for" in done.stdout


def test_names_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    """Neither taken for markup that vanishes, nor for markup that is wrong."""
    for name in ("v[old]", "v[/x]"):
        made_run(tmp_path / name, count=6)
        done = call("report", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{name}/front.csv" in done.stdout
        (tmp_path / name / "a.json").write_text(SMALL.to_json())
        done = call("plan", f"{name}/a.json", "--input", "8x8x1", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{name}/plan.png" in done.stdout
        model = next((tmp_path / name / "models").iterdir())
        done = call("export", str(model), "--out", f"c {name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"exported to c {name}; next: sparse-search verify 'c {name}'" in done.stdout
        assert f"'{name}.npz'" in call("inspect", f"{name}.npz", cwd=tmp_path).stderr
    done = call("report", "v[old]", "v[/x]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "v[old]" in done.stdout


def test_home_is_known_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a shell leaves `~` as it is; a user who does not exist is a name like others."""
    monkeypatch.setenv("HOME", str(tmp_path))
    made_run(tmp_path / "run", count=6)
    made_run(tmp_path / "more", count=6)
    (tmp_path / "a.json").write_text(SMALL.to_json())
    assert main_here("report", "~/run", "--html", "--out=~/page") == 0
    assert (tmp_path / "page" / "report.html").is_file()
    assert main_here("report", "~/run", "~/more", "--out=~/both") == 0
    assert (tmp_path / "both" / "fronts.png").is_file()
    assert main_here("plan", "~/a.json", "--input", "8x8x1", "--png=~/arena.png") == 0
    assert (tmp_path / "arena.png").is_file()
    assert main_here("report", "~nobody-of-this-name/run") == 1


def test_a_data_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    """A typing error would be a download."""
    done = call("inspect", "mnist", "--data-dir", "dat", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected a folder at --data-dir dat, found none" in done.stderr
    assert not (tmp_path / "dat").exists()


def refuse_writing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes a folder look read-only, to root as well."""
    access, partial = os.access, Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.is_relative_to(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return partial(path, content)

    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: (
            access(path, mode) and (mode != os.W_OK or not Path(path).is_relative_to(folder))
        ),
    )
    monkeypatch.setattr(Path, "write_bytes", write)


def test_a_run_that_cannot_be_written_to_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Report and export show what there is; SQLite makes no file beside the journal."""
    run = tmp_path / "run"
    made_run(run, count=6)
    before = sorted(path.name for path in run.iterdir())
    refuse_writing(monkeypatch, run)
    assert main_here("report", str(run)) == 0
    shown = capsys.readouterr().out
    assert "Pareto-optimal" in shown
    assert f"note: table and pictures not written to {run}: permission" in shown
    assert main_here("report", str(run), "--html", "--out", str(tmp_path / "page")) == 0
    assert (tmp_path / "page" / "report.html").is_file()
    model = next((run / "models").iterdir())
    assert main_here("export", str(run), "--out", str(tmp_path / "c")) == 0
    assert main_here("export", str(model), "--out", str(tmp_path / "d")) == 0
    assert sorted(path.name for path in run.iterdir()) == before


def test_an_export_that_cannot_be_written_to_is_planned_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result is shown, and a note that picture and certificate are not there."""
    if shutil.which("gcc") is None:
        pytest.skip("needs the program 'gcc'")
    made_run(tmp_path / "run", count=6)
    export = tmp_path / "c"
    assert main_here("export", str(tmp_path / "run"), "--out", str(export)) == 0
    refuse_writing(monkeypatch, export)
    capsys.readouterr()
    assert main_here("plan", str(export)) == 0
    shown = capsys.readouterr().out
    assert "in+weights" in shown
    assert f"note: picture not written to {export}" in shown
    assert main_here("plan", str(export), "--png", str(export / "arena.png")) == 1
    assert "cannot use" in capsys.readouterr().err
    assert main_here("verify", str(export)) == 0
    shown = capsys.readouterr().out
    assert "images identical" in shown
    assert "note: certificate not written" in shown
    assert not {"plan.png", "certificate.json"} & {path.name for path in export.iterdir()}


def test_files_of_the_system_are_no_defects_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is one line; an error that is about no file is not hidden."""
    made_run(tmp_path / "run", count=6)

    def fail(number: int) -> None:
        def write(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("sparse_search.report.history_lines", write)

    fail(28)
    assert main_here("report", str(tmp_path / "run")) == 1
    assert "no space left on device; make room" in capsys.readouterr().err
    fail(5)
    with pytest.raises(OSError, match="Input/output error"):
        main(["report", str(tmp_path / "run")])
