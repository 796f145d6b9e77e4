"""The picture of a plan has a rectangle for each buffer, where and when it is needed."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from PIL import Image

from sparse_search.graph import Conv2d, Graph
from sparse_search.graph import Tensor as GraphTensor
from sparse_search.memory import KernelLibrary, MemoryPlan, plan_memory
from sparse_search.report import draw_plan, plan_figure
from sparse_search.report.files import text_box
from sparse_search.space import SearchSpace


def plan_with(operators: range, kernels: KernelLibrary = KernelLibrary.RUNTIME) -> MemoryPlan:
    """The plan of a random network for 28 x 28 images with so many operators."""
    space = SearchSpace((28, 28, 1), 10)
    rng = np.random.default_rng(0)
    while True:
        graph = space.build(space.sample(rng))
        if len(graph.operators) in operators:
            return plan_memory(graph, kernels)


@pytest.fixture(scope="module", params=[range(2, 4), range(8, 11), range(18, 22)])
def plan(request: pytest.FixtureRequest) -> MemoryPlan:
    """Plans of three, ten and twenty operators, with scratch memory."""
    return plan_with(request.param, KernelLibrary.CMSIS_DSP)


def test_rectangles_are_the_allocations(plan: MemoryPlan) -> None:
    """From the first to the last operator, from the offset over the exact size."""
    axes = plan_figure(plan).axes[0]
    found = {
        str(patch.get_gid()): (patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height())
        for patch in axes.patches
        if isinstance(patch, Rectangle) and str(patch.get_gid()).startswith("buffer ")
    }
    assert found == {
        f"buffer {a.name}": (a.first - 0.5, a.offset_bytes, a.last - a.first + 1, a.size_bytes)
        for a in plan.allocations
    }


def test_scratch_has_a_colour_of_its_own() -> None:
    """Tensors between operators, the network's ends, and scratch are three colours."""
    plan = plan_with(range(8, 11), KernelLibrary.CMSIS_DSP)
    patches = {
        str(p.get_gid()): to_hex(p.get_facecolor()) for p in plan_figure(plan).axes[0].patches
    }
    scratch = {patches[f"buffer {a.name}"] for a in plan.allocations if a.kind == "scratch"}
    tensors = [patches[f"buffer {a.name}"] for a in plan.allocations if a.kind == "tensor"]
    assert len(scratch) == 1
    assert scratch.isdisjoint(tensors)
    assert tensors[0] == tensors[-1] != tensors[1]


def test_every_buffer_is_labelled_with_its_bytes(plan: MemoryPlan) -> None:
    """In its rectangle or beside it; scratch by its size."""
    axes = plan_figure(plan).axes[0]
    texts = [t.get_text().replace("\n", " ") for t in axes.texts if t.get_gid() == "label"]
    assert len(texts) == len(plan.allocations)
    for a in plan.allocations:
        name = "" if a.kind == "scratch" else f"{a.name} "
        assert any(text.endswith(f"{name}{a.size_bytes:,} B") for text in texts)


def test_labels_do_not_hide_each_other(plan: MemoryPlan) -> None:
    """Their boxes do not overlap, nor the label of the arena's end."""
    figure = plan_figure(plan)
    boxes = [Bbox.from_extents(*text_box(text)) for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_end_of_the_arena_and_peak_are_marked(plan: MemoryPlan) -> None:
    """A line at the arena's size, a shade over the peak operator, its name in bold."""
    axes = plan_figure(plan).axes[0]
    (line,) = (line for line in axes.lines if line.get_gid() == "arena")
    assert list(np.asarray(line.get_ydata())) == [plan.arena_bytes] * 2
    assert any(text.get_text() == f"arena {plan.arena_bytes:,} B" for text in axes.texts)
    (shade,) = (patch for patch in axes.patches if patch.get_gid() == "peak")
    assert isinstance(shade, Rectangle)
    index = [layer.name for layer in plan.layers].index(plan.peak.operator)
    assert shade.get_x() == index - 0.5
    bold = [t.get_text() for t in axes.get_xticklabels() if t.get_fontweight() == "bold"]
    assert [text.split("\n")[0] for text in bold] == [plan.peak.operator]


def test_bytes_that_are_needed_stand_below_each_operator(plan: MemoryPlan) -> None:
    """The fewest bytes that each operator needs, as the plan says."""
    ticks = [label.get_text() for label in plan_figure(plan).axes[0].get_xticklabels()]
    for layer, needed, tick in zip(plan.layers, plan.step_bytes, ticks, strict=True):
        assert tick == f"{layer.name}\n{needed:,} B"


def test_what_is_read_and_then_overwritten_is_hatched() -> None:
    """Bytes that two tensors share while an operator runs, and only these."""
    conv = Conv2d("c", ("x",), "y", (3, 3), (2, 2), (0, 1, 0, 1))
    graph = Graph((GraphTensor("x", (28, 28, 1)), GraphTensor("y", (14, 14, 4))), (conv,))
    axes = plan_figure(plan_memory(graph)).axes[0]
    (hatched,) = (p for p in axes.patches if str(p.get_gid()).startswith("overlap"))
    assert hatched.get_gid() == "overlap x y"
    assert hatched.get_height() == 784 - 36
    apart = plan_figure(plan_memory(graph, KernelLibrary.CMSIS_DSP)).axes[0]
    assert not [p for p in apart.patches if str(p.get_gid()).startswith("overlap")]


def test_title_tells_size_definition_and_kernels() -> None:
    """A reader knows what is counted, and whether a smaller arena is possible."""
    plan = plan_with(range(2, 4))
    texts = " ".join(text.get_text() for text in plan_figure(plan).texts)
    assert f"Arena of {plan.arena_bytes:,} B" in texts
    assert "every live tensor" in texts
    assert "Kernels: runtime; no smaller one" in texts


def test_picture_is_a_png(tmp_path: Path, plan: MemoryPlan) -> None:
    """825 pixels high, wider for more operators."""
    draw_plan(plan, tmp_path / "plan.png")
    with Image.open(tmp_path / "plan.png") as image:
        image.load()
        assert image.format == "PNG"
        assert image.height == 825
        assert image.width >= 100 * len(plan.layers)
