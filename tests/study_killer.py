"""Runs a study of fakes in forks that are killed at random moments: FOLDER SEED.

A script of its own, because a process with threads must not fork. Prints how many outcomes are
recorded after each kill, and ends when a run has got to its end.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import study_fakes as fakes

from sparse_search.errors import StudyError
from sparse_search.record import StudyRecord

MOST_EVENTS = 6
LONGEST_SECONDS = 0.02


def kill_one_run(folder: Path, moments: random.Random) -> bool:
    """Kills a run shortly after a random number of its events; whether it had ended before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        fakes.study(folder, seconds=0.002).run(20, lambda event: os.write(writer, b".") and None)
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


if __name__ == "__main__":
    run, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    while not kill_one_run(run, chance):
        print(recorded(run))
