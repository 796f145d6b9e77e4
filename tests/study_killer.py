"""Runs a study in forks that are killed at random moments: FOLDER SEED KILLS fake|sparse|pruned.

A script of its own, because a process with threads must not fork. Prints how many outcomes are
recorded after each kill; then runs the study to its end.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import study_fakes as fakes
import torch

# What a study imports when it needs it: once here and not in every fork.
import morphisms  # noqa: F401
import pruning  # noqa: F401
from sparse_search import front_pruning  # noqa: F401
from sparse_search.errors import StudyError
from sparse_search.phases import Event
from sparse_search.record import StudyRecord
from sparse_search.search import sparse  # noqa: F401

STUDIES = {"fake": fakes.study, "sparse": fakes.sparse_study}
CANDIDATES = 20
MOST_EVENTS = 5
LONGEST_SECONDS = 0.05


def run(folder: Path, kind: str, notify: int) -> None:
    """The study, or the pruning of its front, to its end; a byte is written at each event."""

    def observer(event: Event) -> None:
        os.write(notify, b".")

    if kind == "pruned":
        fakes.prune(folder, seconds=0.002, observer=observer)
    else:
        STUDIES[kind](folder, seconds=0.002).run(CANDIDATES, observer)


def kill_one_run(folder: Path, kind: str, moments: random.Random) -> bool:
    """Kills a run shortly after a random number of its events; whether it had ended before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        run(folder, kind, writer)
        os._exit(0)
    os.close(writer)
    for _ in range(moments.randrange(MOST_EVENTS)):
        os.read(reader, 1)
    time.sleep(moments.uniform(0.0, LONGEST_SECONDS))
    os.kill(child, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status)


def recorded(folder: Path) -> int:
    """Outcomes in the study; 0 where its creation was interrupted."""
    try:
        return len(StudyRecord.open(folder).history().outcomes)
    except StudyError:
        return 0


def main(folder: Path, seed: int, kills: int, kind: str) -> None:
    """Kills, then lets the study end."""
    torch.set_num_threads(1)
    moments = random.Random(seed)
    for _ in range(kills):
        if kill_one_run(folder, kind, moments):
            break
        print(recorded(folder), flush=True)
    run(folder, kind, os.open(os.devnull, os.O_WRONLY))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
