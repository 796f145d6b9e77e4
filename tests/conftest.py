"""What every test shares: one thread for torch, and skips that say why."""

import importlib.util
import os
import shutil

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# In CI a change is judged by the same examples each time; elsewhere Hypothesis looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def requires_tool(name: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the program {name!r}")
    return path


def requires_module(name: str) -> None:
    """Skips the test where a Python module is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"needs the module {name!r}")


def requires_env(name: str) -> str:
    """The value of an environment variable; skips the test where it is not set."""
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"needs the environment variable {name}")
    return value
