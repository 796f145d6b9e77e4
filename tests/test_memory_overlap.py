"""Overlaps: what a kernel reads and writes, byte by byte, proves the lead of its output."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_search.graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    Operator,
    Tensor,
    window_count,
)
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.memory.kernels import OUTPUT_BLOCK
from sparse_search.memory.overlap import find_leads

WINDOWED = {
    "conv2d": Conv2d,
    "depthwise_conv2d": DepthwiseConv2d,
    "max_pool2d": MaxPool2d,
    "avg_pool2d": AvgPool2d,
}


@st.composite
def windowed(draw: st.DrawFn) -> Graph:
    """One operator that slides a window over a small map."""
    kind = draw(st.sampled_from(sorted(WINDOWED)))
    height, width, channels = (draw(st.integers(1, 7)) for _ in range(3))
    kernel = (draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width))))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, kernel[axis] - 1)) for axis in (0, 0, 1, 1))
    size = (
        window_count(height, kernel[0], stride[0], padding[:2]),
        window_count(width, kernel[1], stride[1], padding[2:]),
    )
    out = draw(st.integers(1, 7)) if kind == "conv2d" else channels
    operator = WINDOWED[kind]("op", ("x",), "y", kernel, stride, padding)
    return Graph((Tensor("x", (height, width, channels)), Tensor("y", (*size, out))), (operator,))


def accesses(graph: Graph, block: int) -> Iterator[tuple[set[int], set[int]]]:
    """(input bytes read, output bytes written) of each block of output pixels, in order."""
    (op,) = graph.operators
    height, width, channels = graph.input.shape
    rows, columns, out = graph.output.shape
    reads = []
    for pixel in range(rows * columns):
        top = pixel // columns * op.stride[0] - op.padding[0]
        left = pixel % columns * op.stride[1] - op.padding[2]
        window = {
            (y * width + x) * channels + c
            for y in range(max(top, 0), min(top + op.kernel[0], height))
            for x in range(max(left, 0), min(left + op.kernel[1], width))
            for c in range(channels)
        }
        reads.append(window)
    for start in range(0, len(reads), block):
        end = min(start + block, len(reads))
        yield set().union(*reads[start:end]), set(range(start * out, end * out))


def harmless(graph: Graph, lead: int, block: int) -> bool:
    """Whether nothing is read after, or in the same block as, it is overwritten."""
    written: set[int] = set()
    for read, write in accesses(graph, block):
        written |= {byte - lead for byte in write}
        if read & written:
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(windowed())
def test_an_output_at_its_lead_overwrites_nothing_that_is_still_read(graph: Graph) -> None:
    """Byte by byte, and one byte less would."""
    lead = find_leads(graph).get(("y", "x"), graph.output.size)
    block = OUTPUT_BLOCK[graph.operators[0].kind]
    assert harmless(graph, lead, block)
    covered = all(read for read, _ in accesses(graph, 1))
    if block == 1 and 0 < lead < graph.output.size and covered:
        assert not harmless(graph, lead - 1, 1)


def chain(operator: Operator, *shapes: tuple[int, int, int]) -> Graph:
    """One operator; the last shape is its output's."""
    names = [*operator.inputs, operator.output]
    return Graph(tuple(map(Tensor, names, shapes)), (operator,))


def test_elements_are_added_where_they_lie() -> None:
    """A sum may take the place of either input, and a doubled tensor of none."""
    pool = MaxPool2d("p", ("x",), "a", (1, 1), (1, 1))
    tensors = tuple(Tensor(name, (2, 2, 3)) for name in "xay")
    total = Graph(tensors, (pool, Add("s", ("a", "x"), "y")))
    assert find_leads(total) == {("y", "a"): 0, ("y", "x"): 0}
    double = Graph(tensors, (pool, Add("s", ("a", "a"), "y")))
    assert set(find_leads(double)) == {("a", "x")}


def test_what_is_read_again_or_needed_whole_is_not_overlapped() -> None:
    """An input of a later operator, and the input of a fully connected operator."""
    dense = chain(Dense("d", ("x",), "y"), (4, 4, 2), (1, 1, 10))
    assert not find_leads(dense)
    pool = MaxPool2d("p", ("x",), "a", (1, 1), (1, 1))
    joined = Graph(
        (Tensor("x", (2, 2, 2)), Tensor("a", (2, 2, 2)), Tensor("y", (1, 1, 16))),
        (pool, Concat("c", ("a", "x"), "y")),
    )
    assert not find_leads(joined)


def test_a_first_layer_of_stride_two_costs_little_more_than_the_image() -> None:
    """28 x 28 to 14 x 14 x 4: the output is as large as the image, and lies over it."""
    conv = Conv2d("c", ("x",), "y", (3, 3), (2, 2), (0, 1, 0, 1))
    graph = chain(conv, (28, 28, 1), (14, 14, 4))
    # Before the last but one pixel of a row is read, from byte 24 on, 14 x 4 bytes may be written;
    # a block that begins with the last one, from byte 26 on, goes on in the next row.
    assert OUTPUT_BLOCK["conv2d"] == 2
    assert find_leads(graph) == {("y", "x"): max(14 * 4 - 24, 15 * 4 - 26)}
    plan = plan_memory(graph)
    assert plan.arena_bytes == 784 + 36
    assert plan.optimal
    apart = plan_memory(graph, KernelLibrary.CMSIS_SCALAR)
    assert apart.arena_bytes >= 2 * 784
