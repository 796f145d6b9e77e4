"""Pruning: one method per file, all behind the ``Pruner`` protocol.

To add one, copy a file, edit it, and add one line to ``PRUNERS``; the contract test picks it up.
"""

from sparse_search.interfaces import Pruner

from .bayesian import BayesianPruner
from .channels import ChannelPruner
from .feedback import FeedbackPruner
from .layerwise import LayerwisePruner
from .magnitude import MagnitudePruner
from .taylor import TaylorPruner
from .variational import VariationalPruner

PRUNERS: tuple[Pruner, ...] = (
    ChannelPruner(),
    TaylorPruner(),
    BayesianPruner(),
    MagnitudePruner(),
    LayerwisePruner(),
    FeedbackPruner(),
    VariationalPruner(),
)

__all__ = ["PRUNERS"]
