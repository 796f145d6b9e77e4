"""Emulated cores for tests."""

from conftest import requires_tool

from sparse_search.deploy.cores import CORES, EmulatedCore, find_core


def requires_core(name: str) -> EmulatedCore:
    """A core; skips the test where one of its tools is not installed."""
    for tool in CORES[name].tools:
        requires_tool(tool)
    return find_core(name)
