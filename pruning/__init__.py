"""Pruning: one method per file, all behind the ``Pruner`` protocol.

To add one, copy a file, edit it, and add one line to ``PRUNERS``; the contract test picks it up.
"""

from sparse_search.interfaces import Pruner

from .channels import ChannelPruner
from .magnitude import MagnitudePruner

PRUNERS: tuple[Pruner, ...] = (
    ChannelPruner(),
    MagnitudePruner(),
)

__all__ = ["PRUNERS"]
