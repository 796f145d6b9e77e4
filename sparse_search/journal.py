"""Journal: the crash-safe, append-only record of a study in one SQLite file.

A candidate is written when it is proposed and its outcome as soon as it is known, each in a
transaction of its own, so a process killed at any moment loses only what was being evaluated.
Times are columns of their own; nothing that decides how a study continues reads them.

Any number of processes may read while one works. ``lock_study`` keeps a second one from working.
"""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import filelock
from pydantic import ValidationError

from .candidate import Candidate, Evaluation, History, Outcome, read_outcome
from .errors import StudyError, StudyLockedError

Json: TypeAlias = Any
Settings: TypeAlias = Mapping[str, Json]

PROPOSAL_SECONDS = "proposal_seconds"
"""Metric of ``Journal.measurements``: wall time that the proposal of a candidate took."""

_APPLICATION_ID = 0x53705365  # marks the file as ours
_VERSION = 1
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY, json TEXT NOT NULL, proposed_at REAL NOT NULL);
CREATE TABLE outcomes (
    candidate INTEGER PRIMARY KEY REFERENCES candidates (id),
    kind TEXT NOT NULL, json TEXT NOT NULL, finished_at REAL NOT NULL);
CREATE TABLE measurements (
    candidate INTEGER NOT NULL REFERENCES candidates (id),
    metric TEXT NOT NULL, value REAL NOT NULL, measured_at REAL NOT NULL,
    PRIMARY KEY (candidate, metric));
"""


@dataclass(frozen=True)
class Journal:
    """The record of one study. Every method opens the file, so nothing needs to be closed."""

    path: Path

    @staticmethod
    def create(path: Path, settings: Settings) -> "Journal":
        """Opens the journal; makes it, with these settings, where there is none.

        Settings of a study without candidates, which nobody works on, are replaced: nothing was
        made with them.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = Journal(path)
        with journal._connect(create=True) as db:
            # Kept by the file. Readers then do not wait for the writer, nor it for them.
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
            if _is_blank(db):
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                _write_settings(db, settings)
                db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={_VERSION}")
            elif _is_unused(db):
                with contextlib.suppress(StudyLockedError), lock_study(path.parent):
                    _write_settings(db, settings)
            db.execute("COMMIT")
        return Journal.open(path)

    @staticmethod
    def open(path: Path) -> "Journal":
        """The journal of an existing study.

        Raises:
            StudyError: There is none, or the file is damaged, foreign or of a newer version.
        """
        if not path.is_file():
            raise StudyError(f"expected a study at {path}, found none; give the folder of a run")
        journal = Journal(path)
        with journal._read() as db:
            application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
            if _is_blank(db):
                raise StudyError(f"expected a study at {path}, found an empty file; remove it")
            if application != _APPLICATION_ID:
                raise StudyError(
                    f"expected a study at {path}, found a database of another program; "
                    "choose another folder"
                )
            if version > _VERSION:
                raise StudyError(
                    f"{path} has schema version {version}, this sparse_search reads up to "
                    f"{_VERSION}; install a newer sparse_search"
                )
            found = _pragma(db, "quick_check(1)")
            if found != "ok":
                raise StudyError(_damaged(path, str(found)))
        return journal

    @staticmethod
    def begun(path: Path) -> bool:
        """Whether a study was made there and has candidates.

        Raises:
            StudyError: The file is damaged.
        """
        if not path.is_file():
            return False
        with Journal(path)._read() as db:
            return not (_is_blank(db) or _is_unused(db))

    def settings(self) -> dict[str, Json]:
        """What the study was created with."""
        with self._read() as db, _valid_json(self.path):
            return {n: json.loads(t) for n, t in db.execute("SELECT name, json FROM settings")}

    def history(self) -> History:
        """Every outcome, and every candidate without one, each by candidate id."""
        with self._read() as db, _valid_json(self.path):
            rows = db.execute(
                "SELECT candidates.json, outcomes.json FROM candidates "
                "LEFT JOIN outcomes ON outcomes.candidate = candidates.id ORDER BY candidates.id"
            ).fetchall()
            outcomes = [read_outcome(outcome) for _, outcome in rows if outcome is not None]
            pending = [Candidate.from_json(text) for text, outcome in rows if outcome is None]
        return History(outcomes, pending)

    def propose(self, candidate: Candidate, seconds: float | None = None) -> None:
        """Records a candidate before it is evaluated.

        Args:
            candidate: What was proposed.
            seconds: Wall time that the proposal took; apart from the candidate, like all times.
        """
        now = time.time()
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            row = (candidate.id, candidate.to_json(), now)
            db.execute("INSERT INTO candidates VALUES (?, ?, ?)", row)
            if seconds is not None:
                duration = (candidate.id, PROPOSAL_SECONDS, seconds, now)
                db.execute("INSERT INTO measurements VALUES (?, ?, ?, ?)", duration)
            db.execute("COMMIT")

    def record(self, outcome: Outcome) -> None:
        """Records the outcome of a proposed candidate."""
        kind = "evaluation" if isinstance(outcome, Evaluation) else outcome.kind
        row = (outcome.candidate.id, kind, outcome.to_json(), time.time())
        self._insert("INSERT INTO outcomes VALUES (?, ?, ?, ?)", row)

    def measure(self, candidate_id: int, metric: str, value: float) -> None:
        """Records a figure that is measured once, after the search; the first value stays."""
        row = (candidate_id, metric, value, time.time())
        self._insert("INSERT OR IGNORE INTO measurements VALUES (?, ?, ?, ?)", row)

    def measurements(self, metric: str) -> dict[int, float]:
        """Recorded values of a metric by candidate id."""
        with self._read() as db:
            query = "SELECT candidate, value FROM measurements WHERE metric = ?"
            return dict(db.execute(query, (metric,)).fetchall())

    def fingerprint(self) -> str:
        """Hash of candidates and outcomes without times: equal for equal histories."""
        history = self.history()
        digest = hashlib.sha256()
        for candidate in history.pending:
            digest.update(f"{candidate.to_json()}\n".encode())
        for outcome in history.outcomes:
            digest.update(f"{replace(outcome, seconds=0.0).to_json()}\n".encode())
        return digest.hexdigest()

    def _insert(self, statement: str, row: tuple[int | float | str, ...]) -> None:
        with self._connect() as db:
            db.execute(statement, row)

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading, also where nothing can be written.

        SQLite has files beside the journal even for a reader. Where there can be none, a copy is
        read.
        """
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            with self._connect() as db:
                yield db
            return
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("-wal", ""):
                file = self.path.with_name(self.path.name + suffix)
                if file.is_file():
                    shutil.copyfile(file, Path(folder, file.name))
            with self._connect(file=Path(folder, self.path.name)) as db:
                yield db

    @contextlib.contextmanager
    def _connect(
        self, create: bool = False, file: Path | None = None
    ) -> Iterator[sqlite3.Connection]:
        """A connection that commits every statement; its errors in words.

        Args:
            create: Whether the file is made where there is none.
            file: A copy of it; None for the file itself.
        """
        uri = f"{(file or self.path).resolve().as_uri()}?mode={'rwc' if create else 'rw'}"
        try:
            db = sqlite3.connect(uri, uri=True, timeout=30.0, isolation_level=None)
            with contextlib.closing(db):
                db.execute("PRAGMA foreign_keys=ON")
                # Survives a power cut too; one flush per candidate costs nothing beside training.
                db.execute("PRAGMA synchronous=FULL")
                yield db
        except sqlite3.IntegrityError as error:
            raise StudyError(
                f"{self.path}: expected each candidate to be proposed once and then recorded "
                f"once ({error}); read the history again before continuing"
            ) from error
        except sqlite3.OperationalError as error:
            raise StudyError(
                f"cannot use {self.path}: {error}; check free space and permissions, then run "
                "the same command again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StudyError(_damaged(self.path, str(error))) from error


def _is_blank(db: sqlite3.Connection) -> bool:
    """Whether the file holds nothing yet, be it because its creation was interrupted."""
    (count,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(count == 0) and bool(_pragma(db, "user_version") == 0)


def _is_unused(db: sqlite3.Connection) -> bool:
    """Whether the file is a journal of ours without candidates."""
    if _pragma(db, "application_id") != _APPLICATION_ID or _pragma(db, "user_version") > _VERSION:
        return False
    (count,) = db.execute("SELECT count(*) FROM candidates").fetchone()
    return bool(count == 0)


def _write_settings(db: sqlite3.Connection, settings: Settings) -> None:
    rows = [(name, _dump(value)) for name, value in settings.items()]
    db.execute("DELETE FROM settings")
    db.executemany("INSERT INTO settings VALUES (?, ?)", rows)


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def _dump(value: Json) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _damaged(path: Path, found: str) -> str:
    return (
        f"expected a study at {path}, found a damaged file or another format ({found}); restore "
        "it from a copy, or choose another folder"
    )


@contextlib.contextmanager
def _valid_json(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValidationError, ValueError) as error:
        raise StudyError(_damaged(path, str(error).splitlines()[0])) from error


@contextlib.contextmanager
def lock_study(folder: Path) -> Iterator[None]:
    """Holds the right to work on a study; the system releases it however the process ends.

    Raises:
        StudyLockedError: Another process holds it; names the process and its machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The lock file itself is emptied by every attempt, so the holder's name is beside it.
    holder = folder / "study.holder"
    try:
        with filelock.FileLock(folder / "study.lock", timeout=0):
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", "utf-8")
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except filelock.Timeout:
        name = holder.read_text("utf-8") if holder.is_file() else ""
        raise StudyLockedError(
            f"expected {folder} to be free, but {name or 'another process'} is working on it; "
            "wait until it ends, stop it, or choose another folder"
        ) from None
