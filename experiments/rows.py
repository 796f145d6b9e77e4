"""The published figures that models of ours are measured against, each under its own definition.

Papers' kilobytes are taken as 1000 bytes, the stricter reading.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sparse_search.architecture import (
    Architecture,
    Branch,
    Conv2D,
    ConvBlock,
    HeadKind,
    PaddingMode,
    PoolKind,
)
from sparse_search.candidate import Candidate, PruningStep, Recipe
from sparse_search.graph import Shape
from sparse_search.presets import PRESETS
from sparse_search.space import PruningRange, SearchSpace
from sparse_search.target import Limits

from .views import View

Layer: TypeAlias = (
    tuple[int, int, int] | tuple[int, int, int, PaddingMode] | PoolKind | Literal["shortcut"]
)
"""(filters, kernel, stride) of a convolution, its padding if it is not "same"; a pooling; or the
start of a block of which the input is added to the output."""


def wide(
    sparsity: float,
    *layers: Layer,
    head: HeadKind = "average",
    rate: float = 1.0,
    own: tuple[tuple[str, float], ...] = (),
) -> Candidate:
    """A network to begin a search with: more filters than the limits allow, most weights 0.

    Args:
        sparsity: Fraction of the weights that are removed.
        layers: In their order.
        head: How the last feature map reaches the classes.
        rate: Factor on the usual learning rate.
        own: (operator, fraction) of those that lose another one.

    >>> len(wide(0.9, (8, 3, 1), "max", (16, 3, 2), (16, 3, 1)).architecture.blocks)
    2
    >>> [b.branch for b in wide(0.9, (8, 3, 2), "shortcut", (8, 3, 1)).architecture.blocks]
    ['none', 'shortcut']
    """
    blocks: list[ConvBlock] = []
    convolutions: list[Conv2D] = []
    branch: Branch = "none"
    for layer in layers:
        if isinstance(layer, tuple):
            convolutions.append(Conv2D(*layer))
            continue
        if convolutions:
            pool: PoolKind = "none" if layer == "shortcut" else layer
            blocks.append(ConvBlock(tuple(convolutions), pool, branch))
        branch, convolutions = "shortcut" if layer == "shortcut" else "none", []
    if convolutions:
        blocks.append(ConvBlock(tuple(convolutions), branch=branch))
    steps = (PruningStep("magnitude", sparsity, own),)
    return Candidate(0, Architecture(tuple(blocks), head=head), steps, Recipe(rate))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: Of the row and its models.
        data: Data set, as ``load_dataset`` names it.
        limits: What the model must keep, and which size and memory are meant.
        paper: Whose figures they are, and the accuracy reported there.
        start: What the search begins with; empty for random networks.
        search_epochs: In the search: dense training from scratch, with inherited weights, and
            after each pruning step.
        max_filters: Of a layer, in the search.
        view: What is folded out in front of the network.
        epochs: Of the final dense training.
        fine_tuning_epochs: After each pruning step.
        fine_tuning_rate: Learning rate of these, as a fraction of that of the dense training.
        quantized_epochs: In the exact integer arithmetic, at the end.
        codebook_epochs: The same of a model with a codebook.
        augmentation: Of the images in the final training, as ``--augment`` takes it; None for what
            the data set has by default.
        learn_all: Whether the final training learns from the validation images, too. Their error
            says little then; it chooses an epoch of the int8 training, and no model.
    """

    name: str
    data: str
    limits: Limits
    paper: str
    start: tuple[Candidate, ...] = ()
    search_epochs: tuple[int, int, int] = (6, 4, 2)
    max_filters: int = 16
    view: View = field(default=View())
    epochs: int = 45
    fine_tuning_epochs: int = 15
    fine_tuning_rate: float = 0.5
    quantized_epochs: int = 6
    codebook_epochs: int = 40
    augmentation: str | None = None
    learn_all: bool = False

    def space(self, input_shape: Shape, class_count: int) -> SearchSpace:
        """Where the row is searched: small networks, without what never paid in them.

        Compared with the default space there are fewer filters, and neither large kernels nor
        connections that skip a block. A search that begins with wide networks may take larger
        strides and remove more.
        """
        sparser: dict[str, Any] = {
            "max_layers": 5,
            "kernels": (1, 3, 5, 7),
            "strides": (1, 2, 3, 4),
            "pruning": (
                PruningRange("channels", 0.5, alternatives=("taylor",)),
                PruningRange("magnitude", 0.98, 0.02, alternatives=("feedback",)),
            ),
        }
        return SearchSpace(
            input_shape,
            class_count,
            max_blocks=3,
            max_filters=self.max_filters,
            branches=("none", "shortcut"),
            fc_branches=("none",),
            input_pools=(1, 2),
            heads=("flatten", "average"),
            max_hidden=1,
            hidden_units=(10, 32),
            **(sparser if self.start else {"kernels": (1, 3, 5)}),
        )


_SPARSE: Final = ("nonzeros", "in+weights")
_MUNAS: Final = ("nonzeros", "live-no-input")
_OURS: Final = ("flash", "arena")

_BINARY: Final[dict[str, Any]] = {
    "search_epochs": (12, 6, 20),
    "max_filters": 64,
    "epochs": 60,
    "fine_tuning_rate": 2.0,
}

ROWS: Final = {
    row.name: row
    for row in (
        Row(
            *("mnist-sparse-1", "mnist", Limits(1330, 1440, *_SPARSE), "SpArSe 96.49 %"),
            start=(
                wide(
                    *(0.8423, (8, 7, 1), "max3", (12, 3, 1), (12, 3, 1), (12, 3, 1), (18, 3, 1)),
                    "max",
                    head="flatten",
                ),
            ),
            max_filters=24,
            fine_tuning_epochs=30,
            fine_tuning_rate=1.0,
        ),
        Row(
            *("mnist-sparse-2", "mnist", Limits(2000, 2800, *_SPARSE), "SpArSe 98.64 %"),
            start=(
                wide(
                    *(0.796, (8, 5, 1), "max", (20, 3, 1), "max", (15, 3, 1)),
                    (22, 3, 1, "valid"),
                    head="flatten",
                    own=(("conv2", 0.72),),
                ),
            ),
            max_filters=24,
            fine_tuning_epochs=30,
            fine_tuning_rate=1.0,
        ),
        Row(
            *("mnist-munas", "mnist", Limits(488, 480, *_MUNAS), "μNAS, its memory and size"),
            start=(wide(0.719, (4, 5, 1), "max3", (12, 3, 1), "max3", head="flatten"),),
            epochs=60,
            fine_tuning_epochs=30,
            fine_tuning_rate=1.0,
        ),
        Row(
            *("mnist-2k", "mnist", Limits(2048, 2048, *_OURS), "none: 2 KB of RAM, 2 KB of flash"),
            max_filters=24,
            epochs=80,
            codebook_epochs=60,
        ),
        Row(
            *("binary-sparse", "cifar10-binary", Limits(1280, 780, *_SPARSE), "SpArSe 73.84 %"),
            view=View(2),
            start=(
                wide(
                    *(0.8852, (10, 5, 1), "max", (14, 3, 1), (14, 3, 1), "max", (16, 3, 1)),
                    head="flatten",
                ),
            ),
            fine_tuning_epochs=160,
            augmentation="flip",
            learn_all=True,
            **_BINARY,
        ),
        Row(
            *("binary-munas", "cifar10-binary", Limits(909, 685, *_MUNAS), "μNAS 77.49 %"),
            start=(
                wide(
                    *(0.811, (7, 5, 1), "max4", (7, 3, 1), (12, 3, 1), "max", (12, 3, 1)),
                    head="flatten",
                    rate=0.5,
                ),
            ),
            fine_tuning_epochs=120,
            augmentation="flip",
            learn_all=True,
            **_BINARY,
        ),
        Row(
            *("cifar10-munas", "cifar10", Limits(15400, 11400, *_MUNAS), "μNAS 86.49 %"),
            start=(
                wide(
                    *(0.8715, (24, 3, 1), "max", (32, 3, 1), (48, 3, 1), "max", (64, 3, 1), "max"),
                    (64, 3, 1),
                ),
            ),
            search_epochs=(6, 4, 8),
            max_filters=96,
            epochs=50,
            fine_tuning_epochs=40,
            quantized_epochs=2,
            learn_all=True,
        ),
        Row(
            *("chars74k-16k", "chars74k", Limits(16384, 16384, *_OURS), "Bonsai 58.59 %, 101 KB"),
            max_filters=48,
            epochs=200,
        ),
        Row(
            *("chars74k-8k", "chars74k", Limits(16384, 8192, *_OURS), "Bonsai 58.59 %, 101 KB"),
            max_filters=48,
            epochs=250,
            augmentation=PRESETS["chars74k"].augmentation,
            learn_all=True,
        ),
    )
}
"""By name."""
