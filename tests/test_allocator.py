"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, sys
from sparse_search.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no glibc")
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
for step in range(20):
    if step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [libc.malloc(4 << 20) for _ in range(8)]
    for block in blocks:
        ctypes.memset(block, 1, 4 << 20)
    for block in blocks:
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_blocks_that_come_back_every_step_cost_no_page_faults() -> None:
    """Eight blocks of 4 MB, ten times: without the setting every page of each is taken anew."""
    faults = {}
    for mode in ("keep", "default"):
        command = [sys.executable, "-c", SCRIPT, mode]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if "no glibc" in result.stderr:
            pytest.skip("the C library has no mallopt")
        faults[mode] = int(result.stdout)
    assert faults["keep"] < 100
    assert faults["default"] > 1000
