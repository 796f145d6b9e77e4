"""Presets: for each data set the limits of its networks, and what three budgets spend on a search.

| budget | meant for | time on 2 cores |
|---|---|---|
| quick | seeing the whole chain work | minutes |
| standard | results worth looking at | an hour or a few |
| paper | as many and as long trainings as the papers have; on many cores | days |

Limits are near those of the models in the papers (SpArSe, arXiv:1905.12107; Bonsai, ICML 2017;
uNAS, arXiv:2010.14246), and under our own definitions: RAM is the arena with the input in it, size
the flash of everything but code. An input of 32 x 32 x 3 takes 3,072 B of RAM by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from .target import Limits

if TYPE_CHECKING:
    from .dataset import Dataset
    from .evaluation import EvaluationConfig

BudgetName: TypeAlias = Literal["quick", "standard", "paper"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search spends.

    Attributes:
        candidates: Candidates of the search.
        final_models: Models of the front that get the long final training.
        effort: Epochs of every training as a multiple of those that a study has by default, which
            are 6 in the search and 24 at the end (40 and 120 for fewer than 10,000 images).
    """

    candidates: int
    final_models: int
    effort: float

    def config(self, dataset: "Dataset") -> "EvaluationConfig":
        """How candidates are trained on a data set."""
        from .evaluation import EvaluationConfig  # imports torch

        base = EvaluationConfig.for_dataset(dataset)

        def scaled(epochs: int) -> int:
            return max(1, round(epochs * self.effort)) if epochs else 0

        return replace(
            base,
            training=base.training.with_epochs(scaled(base.training.epochs)),
            inherited_epochs=scaled(base.inherited_epochs),
            fine_tuning_epochs=scaled(base.fine_tuning_epochs),
            final_epochs=scaled(base.final_epochs),
            final_fine_tuning_epochs=scaled(base.final_fine_tuning_epochs),
            quantized_epochs=scaled(base.quantized_epochs),
            final_quantized_epochs=scaled(base.final_quantized_epochs),
            clustering_epochs=scaled(base.clustering_epochs),
            final_clustering_epochs=scaled(base.final_clustering_epochs),
        )


def _budgets(quick: Budget, standard: Budget, paper: Budget) -> Mapping[BudgetName, Budget]:
    return MappingProxyType({"quick": quick, "standard": standard, "paper": paper})


@dataclass(frozen=True, slots=True)
class Preset:
    """A search on one data set.

    Attributes:
        limits: What its models must keep, where nothing else is asked for.
        budgets: By name.
        augmentation: As ``run --augment`` takes it; None for what the data has by default.
    """

    limits: Limits
    budgets: Mapping[BudgetName, Budget] = field(repr=False)
    augmentation: str | None = None


_KB = 1024
# Light letters on dark and dark ones on light, of any colour, are the same class.
_LETTERS = "shift 1, rotate 8, scale 0.1, stretch 0.1, shear 0.15, contrast 0.3, negative, recolour"
# Of 60,000 images of 28 x 28; of 50,000 of 32 x 32 in colour; of a few thousand small ones.
_LARGE = _budgets(Budget(10, 2, 0.5), Budget(60, 6, 1.5), Budget(500, 10, 5.0))
_COLOUR = _budgets(Budget(6, 1, 0.34), Budget(40, 4, 1.5), Budget(500, 10, 20.0))
_SMALL = _budgets(Budget(12, 2, 0.5), Budget(100, 6, 1.5), Budget(500, 10, 5.0))

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "digits": Preset(Limits(2 * _KB, 2 * _KB), _SMALL),
        "mnist": Preset(Limits(2 * _KB, 2 * _KB), _LARGE),
        "fashion-mnist": Preset(Limits(4 * _KB, 8 * _KB), _LARGE),
        "cifar10": Preset(Limits(16 * _KB, 12 * _KB), _COLOUR),
        "cifar10-binary": Preset(Limits(4 * _KB, 2 * _KB), _COLOUR),
        "cifar10-binary-b": Preset(Limits(2 * _KB, 2 * _KB), _LARGE),
        "curet": Preset(Limits(4 * _KB, 16 * _KB), _LARGE),
        "curet-features": Preset(Limits(2 * _KB, 16 * _KB), _SMALL),
        "chars74k": Preset(Limits(8 * _KB, 16 * _KB), _SMALL, _LETTERS),
        "keywords": Preset(Limits(8 * _KB, 16 * _KB), _SMALL),
    }
)
"""By the name of the data set."""

USUAL_BUDGET = Budget(24, 6, 1.0)
"""What is spent where no budget is named."""

OWN_DATA = Preset(Limits(), _SMALL)
"""For any other data set; its limits are the board's."""


def find_preset(dataset: str) -> Preset:
    """The preset of a data set, by its name; of any other, that of own data.

    >>> find_preset("mnist").limits.ram_bytes, find_preset("photos/").limits.ram_bytes
    (2048, None)
    """
    return PRESETS.get(dataset, OWN_DATA)
