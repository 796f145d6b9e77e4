"""The choice of encodings: optimal under every policy, on costs that were measured."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import requires_tool

from sparse_search.deploy.build import Compiler, compile_c
from sparse_search.deploy.runtime_files import write_runtime
from sparse_search.deploy.weighted_kernels import kernel_name
from sparse_search.encoding import (
    ALL_ENCODINGS,
    EncodingPolicy,
    Layer,
    Option,
    choose,
    kernel_code_bytes,
    measured_options,
)
from sparse_search.encoding.choice import JOINT_LAYERS
from sparse_search.encoding.costs import COSTS, DEPTHWISE_CODE_BYTES
from sparse_search.errors import MemoryPlanError

RESULTS = Path(__file__).parent.parent / "experiments" / "results" / "bench_encodings.json"


def random_layer(generator: np.random.Generator, kind: str) -> Layer:
    """A layer of at most a few hundred weights with all its options."""
    outputs, columns = int(generator.integers(1, 12)), int(generator.integers(1, 60))
    values = generator.permutation(np.arange(1, 100, dtype=np.int8))[: generator.integers(1, 30)]
    weights = generator.choice(values, (outputs, columns))
    weights = weights * (generator.random(weights.shape) < generator.random())
    options = measured_options(weights.astype(np.int8))
    runs = 3 * outputs if kind == "conv2d" else 0
    places = int(generator.integers(1, 40)) if kind == "conv2d" else 1
    return Layer(kind, places, outputs, runs, weights.size, options)


def total(layers: list[Layer], options: tuple[Option, ...]) -> int:
    """Bytes of weights and of each kernel once."""
    kernels = {(layer.kind, o.encoding) for layer, o in zip(layers, options, strict=True)}
    return sum(o.bytes for o in options) + sum(kernel_code_bytes(*kernel) for kernel in kernels)


@pytest.mark.parametrize("seed", range(8))
def test_each_layer_gets_the_fewest_bytes_of_what_is_fast_enough(seed: int) -> None:
    """Every option is tried: none within the cap is smaller; dense where none is."""
    generator = np.random.default_rng(seed)
    layers = [random_layer(generator, kind) for kind in ("conv2d", "dense") * 3]
    for cap in (None, 0.01, 0.5, 1.0, 1.5, 3.0):
        policy = EncodingPolicy(max_mac_cost=cap)
        for layer, chosen in zip(layers, choose(layers, policy), strict=True):
            fast = [o for o in layer.options if cap is None or layer.slowdown(o) <= cap]
            assert chosen.bytes == min((o.bytes for o in fast), default=layer.weights)
            assert chosen in (fast or [layer.dense])


@pytest.mark.parametrize("seed", range(8))
def test_weights_and_code_together_are_least(seed: int) -> None:
    """Brute force over every combination of encodings for three layers of one kind and one more."""
    generator = np.random.default_rng(seed)
    kind, other = ("conv2d", "dense") if seed % 2 else ("dense", "conv2d")
    layers = [random_layer(generator, k) for k in (kind, other, kind, kind)]
    names = generator.permutation(np.array(ALL_ENCODINGS))[:9]
    policy = EncodingPolicy(("dense", *names.tolist()), count_code=True)
    allowed = [[o for o in layer.options if o.encoding in policy.allowed] for layer in layers]
    least = min(total(layers, combination) for combination in product(*allowed))
    assert total(layers, choose(layers, policy)) == least


def test_code_weighs_more_for_few_weights() -> None:
    """Two small layers share a kernel that is best for neither of them alone."""
    small = (Option("dense", 100, 100), Option("bitmap", 70, 50), Option("gaps4", 75, 50))
    other = (Option("dense", 100, 100), Option("bitmap", 75, 50), Option("gaps4", 70, 50))
    layers = [Layer("dense", 1, 10, 0, 100, options) for options in (small, other)]
    assert [o.encoding for o in choose(layers, EncodingPolicy())] == ["bitmap", "gaps4"]
    counted = choose(layers, EncodingPolicy(count_code=True))
    assert [o.encoding for o in counted] == ["dense", "dense"]
    large = [
        Layer("dense", 1, 10, 0, 100, tuple(Option(o.encoding, 9 * o.bytes, 0) for o in options))
        for options in (small, other)
    ]
    counted = choose(large, EncodingPolicy(count_code=True))
    assert [o.encoding for o in counted] == ["bitmap", "bitmap"]


def test_more_layers_than_are_chosen_together() -> None:
    """The rest joins the kernels in use; the order of the layers is kept."""
    options = (Option("dense", 100, 100), Option("bitmap", 60, 50), Option("gaps4", 59, 50))
    layers = [Layer("dense", 1, 10, 0, 100, options)] * (JOINT_LAYERS + 3)
    chosen = choose(layers, EncodingPolicy(count_code=True))
    assert [o.encoding for o in chosen] == ["bitmap"] * len(layers)


def test_depthwise_layers_have_no_choice() -> None:
    """They are dense under every policy, and their kernel counts."""
    layer = Layer("depthwise_conv2d", 9, 4, 0, 36, (Option("dense", 36, 36),))
    for policy in (EncodingPolicy(("gaps8",)), EncodingPolicy(max_mac_cost=0.5, count_code=True)):
        assert choose([layer], policy) == (layer.dense,)
    assert kernel_code_bytes("depthwise_conv2d", "dense") == DEPTHWISE_CODE_BYTES


def test_impossible_policies_are_refused() -> None:
    """Unknown encodings, none, and caps that nothing keeps."""
    with pytest.raises(MemoryPlanError, match=r"expected encodings among dense, .*got huffman"):
        EncodingPolicy(("dense", "huffman"))
    with pytest.raises(MemoryPlanError, match="got none"):
        EncodingPolicy(())
    for cap in (0.0, -1.0, float("nan")):
        with pytest.raises(MemoryPlanError, match="expected a cap of the slowdown above 0"):
            EncodingPolicy(max_mac_cost=cap)


def test_costs_are_those_that_were_measured() -> None:
    """The constants equal the committed results, whose errors are as documented."""
    rows = json.loads(RESULTS.read_text())["costs"]
    assert {(r["operator"], r["positions"], r["codebook"]) for r in rows} == set(COSTS)
    for row in rows:
        cost = COSTS[row["operator"], row["positions"], row["codebook"]]
        measured = (row[name] for name in ("stored", "skipped", "output", "run", "code_bytes"))
        assert (cost.stored, cost.skipped, cost.output, cost.run, cost.code_bytes) == (*measured,)
        assert row["largest_error"] < 0.22
        assert row["root_mean_square_error"] < 0.08


def test_code_sizes_are_near_those_of_this_compiler(tmp_path: Path) -> None:
    """The table was made with one version of GCC; another one may differ by a fifth."""
    compiler = Compiler((requires_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m4", "-mthumb"), "")
    for kind in ("conv2d", "dense", "depthwise_conv2d"):
        for encoding in ("dense",) if kind == "depthwise_conv2d" else ALL_ENCODINGS[::7]:
            (source,) = write_runtime(tmp_path, [kernel_name(kind, encoding, narrow=True)])
            compile_c(compiler, [source], tmp_path / "code.o", flags=("-Os", "-c"))
            found = text_bytes(tmp_path / "code.o")
            assert found == pytest.approx(kernel_code_bytes(kind, encoding), rel=0.2)


def text_bytes(path: Path) -> int:
    """Size of the section .text of a 32-bit ELF object."""
    data = path.read_bytes()

    def number(offset: int, size: int) -> int:
        return int.from_bytes(data[offset : offset + size], "little")

    table, entry, count, names = number(32, 4), number(46, 2), number(48, 2), number(50, 2)
    strings = number(table + entry * names + 16, 4)
    for i in range(count):
        header = table + entry * i
        start = strings + number(header, 4)
        if data[start : data.index(0, start)] == b".text":
            return number(header + 20, 4)
    raise AssertionError("no section .text")
