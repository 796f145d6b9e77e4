"""Residual blocks of a child: which of their new operators start at zero."""

from collections.abc import Mapping

from .alignment import second_paths
from .graph import Add, Graph


class ResidualBlocks:
    """The additions of a child beside those of its parent."""

    def __init__(self, child: Graph, parent: Graph, matched: Mapping[str, str]) -> None:
        """Makes it.

        Args:
            child: Its graph.
            parent: Its parent's graph.
            matched: Operators of the parent by those of the child that continue them.
        """
        self._matched = matched
        self._second_paths = second_paths(child)
        self._producers = {op.output: op for op in child.operators}
        self._shortcuts = {
            op.inputs[0]: op.inputs[1]
            for op in child.operators
            if isinstance(op, Add) and op.inputs[1] not in self._second_paths
        }
        parent_paths = second_paths(parent)
        self._outputs = {op.name: op.output for op in parent.operators}
        self._parent_shortcuts = {
            op.inputs[0]
            for op in parent.operators
            if isinstance(op, Add) and op.inputs[1] not in parent_paths
        }

    def on_second_path(self, tensor: str) -> bool:
        """Whether a convolution on a second path writes ``tensor``."""
        return tensor in self._second_paths

    def starts_at_zero(self, tensor: str) -> bool:
        """Whether a new operator that writes ``tensor`` must add nothing at first.

        So it is for a second path where the parent had none (a new second path in place of a
        shortcut starts as the identity instead), and for the end of a main path that is new from
        its beginning.
        """
        if tensor in self._second_paths:
            main = self._producers.get(self._second_paths[tensor])
            old = None if main is None else self._matched.get(main.name)
            return old is None or self._outputs[old] not in self._parent_shortcuts
        return tensor in self._shortcuts and self._is_new(tensor, self._shortcuts[tensor])

    def _is_new(self, tensor: str, start: str) -> bool:
        """Whether every operator from tensor ``start`` to ``tensor`` is without a source."""
        while tensor != start:
            operator = self._producers.get(tensor)
            if operator is None or operator.name in self._matched:
                return False
            tensor = operator.inputs[0]
        return True
