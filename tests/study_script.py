"""Runs a study with fakes: FOLDER WORKERS CANDIDATES SECONDS. Killed and continued by tests."""

import signal
import sys
from pathlib import Path

import study_fakes as fakes

from sparse_search.phases import Finished

if __name__ == "__main__":
    # A shell that runs the tests in the background has Ctrl-C ignored, also by what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, workers, candidates, seconds = sys.argv[1:]
    study = fakes.study(Path(folder), workers=int(workers), seconds=float(seconds))
    study.run(
        int(candidates),
        lambda event: print("finished", flush=True) if isinstance(event, Finished) else None,
    )
