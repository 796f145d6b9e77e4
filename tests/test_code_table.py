"""The predictions of code, stack and calls: closed forms, and the calls of the C itself."""

from pathlib import Path

import numpy as np
import pytest
from random_models import random_graph, random_model

from sparse_search.deploy.code_table import CoreCode, KernelCode, read_table, write_table
from sparse_search.deploy.cores import CORES
from sparse_search.deploy.lowering import lower
from sparse_search.deploy.prediction import kernel_calls, kernel_forms
from sparse_search.deploy.runtime_files import all_kernels
from sparse_search.encoding import ALL_ENCODINGS, EncodingPolicy
from sparse_search.memory import plan_memory

TABLE = CoreCode(
    compiler="cc 1",
    flags=("-O2",),
    kernels={
        "ss_a": KernelCode(100, 40, ("_mul.o", "_div.o")),
        "ss_b": KernelCode(200, 90, ("_mul.o",)),
    },
    library={"_mul.o": 30, "_div.o": 500},
    model_bytes=50.0,
    call_bytes=6.0,
    argument_bytes=4.0,
    stack_bytes=20,
)


def test_code_and_stack_are_sums_and_a_maximum() -> None:
    """Files and library members count once, calls and arguments each time, stack by the deepest."""
    calls = [("ss_a", 3), ("ss_b", 5), ("ss_a", 3)]
    assert TABLE.predict_code(calls) == 100 + 200 + 30 + 500 + 50 + 3 * 6 + 11 * 4
    assert TABLE.predict_stack(calls) == 20 + 90
    assert TABLE.predict_code([("ss_b", 5)]) == 200 + 30 + 50 + 6 + 20
    assert TABLE.predict_code([("ss_c", 5)]) is None
    assert TABLE.predict_stack([("ss_c", 5)]) is None


def test_the_table_survives_its_file(tmp_path: Path) -> None:
    """What is written is read again; no file is an empty table."""
    write_table({"m4": TABLE, "avr": TABLE}, tmp_path / "table.json")
    assert read_table(tmp_path / "table.json") == {"m4": TABLE, "avr": TABLE}
    assert read_table(tmp_path / "none.json") == {}


@pytest.mark.parametrize("core", CORES)
def test_every_kernel_was_measured(core: str) -> None:
    """A new kernel needs ``python -m experiments.measure_code``."""
    assert read_table()[core].kernels.keys() == set(all_kernels())


@pytest.mark.parametrize("seed", range(2 * len(ALL_ENCODINGS)))
def test_calls_are_those_of_the_c_source(seed: int) -> None:
    """Kernel and number of arguments, as the lowering writes them."""
    generator = np.random.default_rng(seed)
    graph = random_graph(generator)
    kind = ALL_ENCODINGS[seed // 2]
    bits = int(kind[-1]) if "codebook" in kind else None
    model = random_model(generator, graph, codebook_bits=bits)
    plan = plan_memory(model, policy=EncodingPolicy(allowed=(kind,)))
    written = [
        (call.kernel, 2 + len(call.input_offsets) + len(call.arrays))
        for step in lower(model, plan)
        for call in step.calls
    ]
    assert kernel_calls(model.graph, kernel_forms(plan)) == written
