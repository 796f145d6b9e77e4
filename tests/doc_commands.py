"""Commands of the documentation: run in this process, or parsed without being run."""

import argparse
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer
from doc_pages import ROOT, words
from typer.testing import CliRunner

from sparse_search.cli import app

PROGRAM = "sparse-search"
PROGRAM_OPTIONS = ("-h", "--help")


def command_line():
    """``sparse-search`` as click knows it: a group with ``commands`` and ``params``."""
    return typer.main.get_command(app)


def run_line(line: str, folder: Path) -> None:
    """Runs a line of a bash block; ``sparse-search`` in this process, which saves the imports."""
    if words(line)[0] == PROGRAM:
        done = CliRunner().invoke(app, words(line)[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euc", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def parse_line(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parses a command that is not run: commands, options and values must exist."""
    program, *arguments = words(line)
    if program == PROGRAM:
        parse_command(arguments)
    elif program == "python":
        assert arguments[0] == "-m", f"{line}: expected a module"
        _parse_module(arguments[1], arguments[2:], monkeypatch)
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in arguments:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}"
    else:
        assert program == "pip", f"{line}: nothing here can tell whether that exists"
        assert (ROOT / "constraints.txt").is_file()


def parse_command(arguments: list[str]) -> None:
    """Parses arguments of ``sparse-search`` by its own parser.

    Raises:
        click.ClickException: There is no such command or option, or a value is of another type.
    """
    group = command_line()
    if arguments[0].startswith("-"):
        known = {option for parameter in group.params for option in parameter.opts}
        assert {*arguments} <= known | {*PROGRAM_OPTIONS}, arguments
        return
    assert arguments[0] in group.commands, f"there is no command {arguments[0]}"
    group.commands[arguments[0]].make_context(arguments[0], arguments[1:])


class _Parsed(BaseException):
    """A module has parsed its arguments."""


def _parse_module(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a module up to the point where its own parser has accepted the arguments."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, *given, **named):
        parse(parser, *given, **named)
        raise _Parsed

    with monkeypatch.context() as patch, warnings.catch_warnings():
        # Another test may have imported the module; it is only asked for its arguments.
        warnings.simplefilter("ignore", RuntimeWarning)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
        patch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(_Parsed):
            runpy.run_module(name, run_name="__main__", alter_sys=True)
