"""sparse-search: the command line, one file for each group of commands."""

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from .. import __version__
from ..errors import SparseSearchError
from .export_commands import export, verify
from .inspect_command import inspect
from .paths import describe_failure, with_paths
from .prune_command import prune
from .report_commands import boards, plan, report
from .run_command import run
from .shared import console

app = typer.Typer(
    name="sparse-search",
    help="From a data set and a board to small networks as verified C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (run, inspect, prune, report, export, verify, boards, plan):
    app.command()(with_paths(_command))


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """From a data set and a board to small networks as verified C."""
    if show:
        console.print(f"sparse-search {__version__}", highlight=False)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; errors of the product are one red line and exit code 1.

    Args:
        arguments: None for those of the process.
    """
    try:
        app(arguments)
    except SparseSearchError as error:
        _fail(str(error))
    except OSError as error:
        message = describe_failure(error)
        if message is None:
            raise
        _fail(message)


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)
    raise SystemExit(1)
