"""A network and its operators in few words."""

from ..graph import Add, AvgPool2d, Concat, Dense, Graph, MaxPool2d, Operator


def network_text(graph: Graph) -> str:
    """A network in one line.

    >>> from sparse_search.architecture import Architecture, Conv2D, ConvBlock
    >>> from sparse_search.builder import build_graph
    >>> network = Architecture((ConvBlock((Conv2D(4, 3, 2),), "max"),))
    >>> network_text(build_graph(network, (28, 28, 1), 10))
    'conv 3×3/2 to 4, max 2×2/2, fully connected 10'
    """
    return ", ".join(operator_text(graph, op) for op in graph.operators)


def operator_text(graph: Graph, operator: Operator) -> str:
    """Kind, kernel, stride after a slash, and number of outputs."""
    channels = graph.shape(operator.output)[2]
    if isinstance(operator, Dense):
        return f"fully connected {channels}"
    if isinstance(operator, Add | Concat):
        return operator.kind
    window = "×".join(map(str, operator.kernel))
    if max(operator.stride) > 1:
        window += f"/{max(operator.stride)}"
    if isinstance(operator, MaxPool2d | AvgPool2d):
        return f"{operator.kind.partition('_')[0]} {window}"
    return f"{'conv' if operator.kind == 'conv2d' else 'depthwise'} {window} to {channels}"
