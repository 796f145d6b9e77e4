"""The published figures that models of ours are measured against, each under its own definition.

Papers' kilobytes are taken as 1000 bytes, the stricter reading.
"""

from dataclasses import dataclass, field
from typing import Final

from sparse_search.graph import Shape
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

from .views import View


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: Of the row and its models.
        data: Data set, as ``load_dataset`` names it.
        limits: What the model must keep, and which size and memory are meant.
        paper: Whose figures they are, and the accuracy reported there.
        max_filters: Of a layer, in the search.
        view: What is folded out in front of the network.
        epochs: Of the final dense training.
        fine_tuning_epochs: After each pruning step.
        codebook_epochs: With few different weights, where the model has a codebook.
        quantized_epochs: In the exact integer arithmetic, at the end.
    """

    name: str
    data: str
    limits: Limits
    paper: str
    max_filters: int = 16
    view: View = field(default=View())
    epochs: int = 45
    fine_tuning_epochs: int = 15
    codebook_epochs: int = 20
    quantized_epochs: int = 6

    def space(self, input_shape: Shape, class_count: int) -> SearchSpace:
        """Where the row is searched: small networks, without what never paid in them.

        Compared with the default space there are fewer filters, and neither large kernels nor
        connections that skip a block.
        """
        return SearchSpace(
            input_shape,
            class_count,
            max_blocks=3,
            max_filters=self.max_filters,
            kernels=(1, 3, 5),
            branches=("none", "shortcut"),
            fc_branches=("none",),
            input_pools=(1, 2),
            heads=("flatten", "average"),
            max_hidden=1,
            hidden_units=(10, 32),
        )


_SPARSE: Final = ("nonzeros", "in+weights")
_MUNAS: Final = ("nonzeros", "live-no-input")
_OURS: Final = ("flash", "arena")

ROWS: Final = {
    row.name: row
    for row in (
        Row("mnist-sparse-1", "mnist", Limits(1330, 1440, *_SPARSE), "SpArSe 96.49 %"),
        Row("mnist-sparse-2", "mnist", Limits(2000, 2800, *_SPARSE), "SpArSe 98.64 %"),
        Row("mnist-munas", "mnist", Limits(488, 480, *_MUNAS), "μNAS, its memory and size"),
        Row(
            "mnist-2k", "mnist", Limits(2048, 2048, *_OURS), "none: 2 KB of RAM, 2 KB of flash", 24
        ),
        Row(
            *("binary-sparse", "cifar10-binary", Limits(1280, 780, *_SPARSE), "SpArSe 73.84 %"),
            view=View(2),
        ),
        Row("binary-munas", "cifar10-binary", Limits(909, 685, *_MUNAS), "μNAS 77.49 %"),
        Row(
            "cifar10-munas", "cifar10", Limits(15400, 11400, *_MUNAS), "μNAS 86.49 %", 64, epochs=40
        ),
        Row(
            *("chars74k-16k", "chars74k", Limits(16384, 16384, *_OURS), "Bonsai 58.59 %, 101 KB"),
            max_filters=48,
            epochs=200,
        ),
        Row(
            *("chars74k-8k", "chars74k", Limits(16384, 8192, *_OURS), "Bonsai 58.59 %, 101 KB"),
            max_filters=48,
            epochs=200,
        ),
    )
}
"""By name."""
