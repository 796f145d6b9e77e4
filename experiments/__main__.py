"""python -m experiments NAME: the experiments on published data sets, with presets.

    python -m experiments mnist --budget standard --data-dir DIR --workers 2

It is ``sparse-search run NAME --budget BUDGET``: may be stopped and continued by the same command,
and leaves a run folder with the front, its picture and verified C. What the presets are is in
``sparse_search/presets.py``.
"""

import argparse
from collections.abc import Sequence

from sparse_search import cli
from sparse_search.presets import OWN_DATA, PRESETS


def run_arguments(arguments: Sequence[str] | None = None) -> list[str]:
    """The command line of ``sparse-search`` that carries an experiment out."""
    parser = argparse.ArgumentParser("python -m experiments", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", choices=[*PRESETS], help="data set")
    parser.add_argument("--budget", choices=[*OWN_DATA.budgets], default="standard")
    parser.add_argument("--data-dir", help="default: SPARSE_SEARCH_DATA_DIR")
    parser.add_argument("--workers", default="1", help="processes that evaluate, or ray")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="run folder; default: runs/NAME-BUDGET")
    parsed = vars(parser.parse_args(arguments))
    name = parsed.pop("name")
    options = {f"--{key.replace('_', '-')}": value for key, value in parsed.items()}
    given = [(key, str(value)) for key, value in options.items() if value is not None]
    return ["run", name, *(text for pair in given for text in pair)]


if __name__ == "__main__":
    cli.main(run_arguments())
