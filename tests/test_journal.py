"""The journal: what is written is read, and every unusable file is explained."""

import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import study_fakes as fakes

from sparse_search.candidate import Evaluation, Outcome, Rejection
from sparse_search.errors import StudyError, StudyLockedError
from sparse_search.journal import PROPOSAL_SECONDS, Journal, lock_study

SETTINGS = {"seed": 3, "limits": {"ram_bytes": None}, "objectives": ["val_error"]}


def evaluation(candidate_id: int, error: float = 0.1) -> Evaluation:
    """A measured candidate with awkward floats."""
    return Evaluation(
        fakes.candidate(candidate_id, 0.3),
        {"val_error": error / 3},
        {"flash_bytes": 1e300},
        (0.1, 0.2),
        1.5,
    )


def filled(path: Path) -> tuple[Journal, list[Outcome]]:
    """Two outcomes, recorded in the opposite order of their ids, and a pending candidate."""
    journal = Journal.create(path, SETTINGS)
    outcomes: list[Outcome] = [evaluation(0), Rejection(fakes.candidate(1), "crashed", "it died")]
    for number in range(3):
        journal.propose(fakes.candidate(number, 0.3 if number == 0 else 0.0))
    for outcome in reversed(outcomes):
        journal.record(outcome)
    return journal, outcomes


def test_history_is_what_was_recorded(tmp_path: Path) -> None:
    """Outcomes come back equal to the last bit, by id; the rest is pending."""
    journal, outcomes = filled(tmp_path / "study.db")
    history = Journal.open(journal.path).history()
    assert history.outcomes == outcomes
    assert history.pending == [fakes.candidate(2)]
    assert journal.settings() == SETTINGS


def test_creating_again_keeps_what_is_there(tmp_path: Path) -> None:
    """The settings of an existing study win; nothing is lost."""
    journal, outcomes = filled(tmp_path / "study.db")
    again = Journal.create(journal.path, {"seed": 4})
    assert again.settings() == SETTINGS
    assert again.history().outcomes == outcomes


def test_nothing_is_recorded_twice_or_without_a_proposal(tmp_path: Path) -> None:
    """The file itself refuses what would make the history ambiguous."""
    journal, outcomes = filled(tmp_path / "study.db")
    before = journal.fingerprint()
    with pytest.raises(StudyError, match="proposed once"):
        journal.propose(fakes.candidate(0))
    with pytest.raises(StudyError, match="recorded once"):
        journal.record(outcomes[0])
    with pytest.raises(StudyError, match="recorded once"):
        journal.record(evaluation(7))
    assert journal.fingerprint() == before


def test_times_of_proposals_are_kept_apart(tmp_path: Path) -> None:
    """With the candidate or not at all; the fingerprint does not see them."""
    journals = []
    for name, seconds in (("a", 0.25), ("b", None)):
        journals.append(Journal.create(tmp_path / name / "study.db", SETTINGS))
        journals[-1].propose(fakes.candidate(0), seconds)
    assert journals[0].measurements(PROPOSAL_SECONDS) == {0: 0.25}
    assert journals[1].measurements(PROPOSAL_SECONDS) == {}
    assert journals[0].fingerprint() == journals[1].fingerprint()
    with pytest.raises(StudyError, match="proposed once"):
        journals[1].propose(fakes.candidate(0), 0.5)
    assert journals[1].measurements(PROPOSAL_SECONDS) == {}


def test_fingerprint_sees_content_and_not_times(tmp_path: Path) -> None:
    """Equal histories have equal fingerprints however long they took."""
    prints = []
    for name, outcome in (
        ("a", evaluation(0)),
        ("b", replace(evaluation(0), seconds=99.0)),
        ("c", evaluation(0, error=0.2)),
        ("d", None),
    ):
        journal = Journal.create(tmp_path / name / "study.db", SETTINGS)
        journal.propose(fakes.candidate(0, 0.3))
        if outcome:
            journal.record(outcome)
        prints.append(journal.fingerprint())
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_a_measurement_is_made_once(tmp_path: Path) -> None:
    """A second value for the same model is ignored."""
    journal, _ = filled(tmp_path / "study.db")
    journal.measure(0, "test_error", 0.25)
    journal.measure(0, "test_error", 0.5)
    assert journal.measurements("test_error") == {0: 0.25}
    assert journal.measurements("other") == {}


def test_readers_need_no_lock(tmp_path: Path) -> None:
    """A report reads, and another connection writes, while the study is locked."""
    journal, outcomes = filled(tmp_path / "study.db")
    with lock_study(tmp_path):
        assert Journal.open(journal.path).history().outcomes == outcomes


def test_a_missing_study_is_named(tmp_path: Path) -> None:
    """A wrong folder is not silently created."""
    with pytest.raises(StudyError, match="found none"):
        Journal.open(tmp_path / "study.db")
    assert not (tmp_path / "study.db").exists()


def test_an_interrupted_creation_is_completed(tmp_path: Path) -> None:
    """A process killed while it made the file leaves an empty one: creating works, reading says."""
    path = tmp_path / "study.db"
    path.touch()
    with pytest.raises(StudyError, match="empty file"):
        Journal.open(path)
    assert not Journal.begun(path)
    journal = Journal.create(path, SETTINGS)
    assert journal.settings() == SETTINGS
    assert not Journal.begun(path)
    journal.propose(fakes.candidate(0))
    assert Journal.begun(path)


def test_settings_with_which_nothing_was_made_are_replaced(tmp_path: Path) -> None:
    """Until there is a candidate, unless a process is about to make one."""
    path = tmp_path / "study.db"
    Journal.create(path, SETTINGS)
    with lock_study(tmp_path):
        assert Journal.create(path, {"seed": 5}).settings() == SETTINGS
    journal = Journal.create(path, {"seed": 6})
    assert journal.settings() == {"seed": 6}
    journal.propose(fakes.candidate(0))
    assert Journal.create(path, SETTINGS).settings() == {"seed": 6}


def test_a_journal_that_cannot_be_written_to_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what SQLite has not moved into the file yet; nothing is written beside it."""
    journal, outcomes = filled(tmp_path / "made" / "study.db")
    with sqlite3.connect(journal.path) as db:
        db.execute("INSERT INTO measurements VALUES (0, 'late', 0.5, 0.0)")
        db.commit()
        shutil.copytree(journal.path.parent, tmp_path / "held")
    db.close()
    before = sorted(path.name for path in (tmp_path / "held").iterdir())
    assert "study.db-wal" in before
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    held = Journal.open(tmp_path / "held" / "study.db")
    assert held.history().outcomes == outcomes
    assert held.measurements("late") == {0: 0.5}
    assert sorted(path.name for path in (tmp_path / "held").iterdir()) == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Text, a foreign database and a newer version are told apart, and left as they are."""
    text, foreign, newer = (tmp_path / name for name in ("text", "foreign", "newer"))
    text.write_text("no database, but long enough to be one " * 100)
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE accounts (id INTEGER)")
    db.close()
    Journal.create(newer, SETTINGS)
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    for path, message in (
        (text, "damaged file or another format"),
        (foreign, "another program"),
        (newer, "newer sparse_search"),
    ):
        for use in (Journal.open, lambda p: Journal.create(p, SETTINGS)):
            with pytest.raises(StudyError, match=message):
                use(path)
    assert text.read_text().startswith("no database")


def test_damage_is_found_on_opening_or_reading(tmp_path: Path) -> None:
    """Overwritten pages and invalid rows end in a StudyError, not in a wrong history."""
    journal, _ = filled(tmp_path / "study.db")
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:4096] + b"\xff" * 6000 + content[10096:])
    with pytest.raises(StudyError, match="damaged"):
        Journal.open(journal.path)
    journal.path.write_bytes(content)
    with sqlite3.connect(journal.path) as db:
        db.execute("UPDATE outcomes SET json = '{}' WHERE candidate = 1")
    db.close()
    with pytest.raises(StudyError, match="damaged"):
        journal.history()


def test_a_second_holder_is_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    """Also within one process; afterwards the study is free again."""
    with lock_study(tmp_path):
        with (
            pytest.raises(StudyLockedError, match=r"process \d+ on .+ is working"),
            lock_study(tmp_path),
        ):
            pass
        other = (
            "import sys; from pathlib import Path; from sparse_search.journal import lock_study\n"
            "with lock_study(Path(sys.argv[1])): pass"
        )
        done = subprocess.run(
            [sys.executable, "-c", other, str(tmp_path)], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 1
        assert "StudyLockedError" in done.stderr
    with lock_study(tmp_path):
        pass
