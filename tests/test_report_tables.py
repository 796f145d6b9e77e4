"""Tables fit a terminal and never cut a number."""

import io

import pytest
from report_data import OBJECTIVES, SPACE, evaluations
from rich.console import Console
from rich.table import Table

from sparse_search.boards import BOARDS
from sparse_search.graph import Graph
from sparse_search.memory import (
    MEASURES,
    KernelLibrary,
    MemoryPlan,
    all_plans,
    definitions,
    plan_memory,
)
from sparse_search.pareto import ParetoFront
from sparse_search.report import boards_table, front_frame, front_table, layers_table, plan_table
from sparse_search.target import Limits


def render(table: Table, width: int = 100) -> list[str]:
    """The lines of a table in a terminal of that many columns."""
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def front_lines(width: int = 100, limits: Limits | None = None) -> list[str]:
    """The table of the front of forty models."""
    front = ParetoFront.of(evaluations(40), OBJECTIVES, limits)
    first = front.evaluations[0].candidate.id
    return render(front_table(front_frame(front, {first: 0.0212}), limits or Limits()), width)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A network of eight operators at least."""
    graphs = [SPACE.build(e.candidate.architecture) for e in evaluations(30)]
    return next(graph for graph in graphs if len(graph.operators) >= 8)


@pytest.fixture(scope="module")
def plan(graph: Graph) -> MemoryPlan:
    """Its plan for CMSIS-NN with scratch memory."""
    return plan_memory(graph, KernelLibrary.CMSIS_DSP)


def test_every_table_fits_100_columns(graph: Graph, plan: MemoryPlan) -> None:
    """No line is longer, and none is folded in the table of the front."""
    tables = [plan_table(all_plans(graph)), layers_table(plan, graph), boards_table()]
    lines = [line for table in tables for line in render(table)] + front_lines()
    assert max(map(len, lines)) <= 100
    front = ParetoFront.of(evaluations(40), OBJECTIVES)
    assert len(front_lines()) == 1 + 4 + len(front)


def test_front_table_of_small_models_fits_80_columns() -> None:
    """A terminal of the usual width shows a front under 2 KB limits without folding."""
    limits = Limits(2048, 2048)
    assert len(front_lines(80, limits)) == len(front_lines(100, limits))


def test_front_table_shows_percent_limits_and_what_was_not_measured() -> None:
    """Errors in percent, thousands separated, a dash for a missing test error, limits below."""
    lines = front_lines(limits=Limits(2048, 2048))
    first = ParetoFront.of(evaluations(40), OBJECTIVES, Limits(2048, 2048)).evaluations[0]
    cells = next(line for line in lines if line.split()[0] == str(first.candidate.id)).split()
    assert cells[1] == f"{100 * first.objectives['val_error']:.2f}"
    assert cells[2] == "2.12"
    assert cells[4] == f"{int(first.objectives['flash_bytes']):,}"
    assert sum(" – " in line for line in lines) == len(lines) - 8
    assert lines[-1].split() == ["limit", "2,048", "2,048"]


def test_no_digit_is_lost_in_a_narrow_terminal() -> None:
    """Numbers fold; nothing becomes an ellipsis."""
    text = "\n".join(front_lines(50))
    assert "…" not in text


def test_front_table_of_nothing() -> None:
    """An empty front is a table without rows."""
    frame = front_frame(ParetoFront(OBJECTIVES, ()), {})
    assert render(front_table(frame, Limits()))[0] == "0 Pareto-optimal models"


def test_plan_table_has_every_definition_for_every_kernel_library(graph: Graph) -> None:
    """The rows are the definitions, the columns the libraries, in order."""
    plans = all_plans(graph)
    lines = render(plan_table(plans), 140)
    for name in MEASURES:
        row = next(line for line in lines if line.strip().startswith(f"{name} "))
        figures = [f"{definitions(plan)[name]:,}" for plan in plans.values()]
        assert row.split()[1 : 1 + len(KernelLibrary)] == figures


def test_layers_table_marks_the_peak_and_sums_up(graph: Graph, plan: MemoryPlan) -> None:
    """One line per operator in order, with its shape; one of them marked; sums of flash, MACs."""
    lines = render(layers_table(plan, graph))
    rows = [line.removeprefix("▶").split() for line in lines]
    names = [layer.name for layer in plan.layers]
    body = rows[1 + next(i for i, line in enumerate(lines) if line.startswith("──")) :]
    assert [row[0] for row in body[: len(names)]] == names
    assert next(line.split()[1] for line in lines if line.startswith("▶ ")) == plan.peak.operator
    output = graph.tensors[1].shape
    assert "×".join(map(str, output)) in lines[4]
    total = next(row for row in rows if row and row[0] == "sum")
    weights = sum(layer.weight_bytes for layer in plan.layers)
    assert total[-3:] == [f"{weights:,}", f"{plan.flash_bytes:,}", f"{plan.macs:,}"]


def test_layers_table_shows_how_weights_are_stored(graph: Graph) -> None:
    """Encoding and bytes of every layer, and the code of the kernels that read them."""
    plan = plan_memory(graph, sparsity=0.9, codebook_bits=3)
    lines = render(layers_table(plan, graph), 140)
    for layer in plan.layers:
        row = next(line for line in lines if line[2:].startswith(f"{layer.name} ")).split()
        if layer.encoding is not None:
            assert row[-3] == f"{layer.weight_bytes:,}"
            assert " ".join(row).count(layer.encoding.replace("_", " ")) == 1
    assert any(f"about {plan.weight_code_bytes:,} B of code" in line for line in lines)
    assert max(map(len, render(layers_table(plan, graph)))) <= 100


def test_layers_table_without_a_graph_has_no_shapes(plan: MemoryPlan) -> None:
    """A plan alone knows bytes, not shapes."""
    assert "×" not in "\n".join(render(layers_table(plan)))


def test_boards_table_lists_every_board() -> None:
    """With the limits that it sets, in KB."""
    lines = render(boards_table())
    for name in BOARDS:
        assert any(line.startswith(f"{name} ") for line in lines)
    uno = next(line for line in lines if line.startswith("arduino-uno")).split()
    assert uno[-4:] == ["2", "32", "1.5", "24"]
