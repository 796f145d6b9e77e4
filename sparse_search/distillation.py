"""Distillation: a pruned network learns from the network that it was before pruning.

Notation (Hinton, Vinyals & Dean, arXiv:1503.02531, section 2):

    symbol   meaning                                                     shape
    v, z     logits of the teacher and of the student                    [n, classes]
    T        temperature
    p, q     softmax(v / T), softmax(z / T)                              [n, classes]
    w        weight of the teacher beside the labels, in [0, 1]
    loss     (1 - w) cross-entropy(z, labels) + w T^2 KL(p || q)         mean over n

The gradient of the second term in z is w T (q - p) / n. The factor T^2 keeps its size when the
temperature changes, as the paper advises.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .errors import StudyError
from .network import Network
from .training import Criterion


@dataclass(frozen=True)
class Distillation:
    """How much a network learns from a teacher beside the labels.

    Attributes:
        weight: Share of the teacher in the loss, in [0, 1]; 0 is plain cross-entropy.
        temperature: By which logits are divided, above 0: the larger, the more the teacher tells
            about the classes that it holds to be wrong.
    """

    weight: float = 0.5
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.weight <= 1.0 and self.temperature > 0.0):
            raise StudyError(
                "expected a distillation of weight in [0, 1] and temperature above 0, "
                f"got {self.weight} and {self.temperature}"
            )

    def criterion(self, teacher: Network, label_smoothing: float = 0.0) -> Criterion | None:
        """What a student of ``teacher`` minimises; None where only labels count.

        Args:
            teacher: Copied, so that it may be trained on; asked in evaluation mode, on the images
                that the student sees.
            label_smoothing: Of the cross-entropy with the labels, in [0, 1).
        """
        if self.weight == 0.0:
            return None
        return _Distilled(self, teacher.copy().eval().requires_grad_(False), label_smoothing)


@dataclass(frozen=True, eq=False)
class _Distilled:
    """The criterion; holds the teacher."""

    settings: Distillation
    teacher: Network
    label_smoothing: float

    def __call__(self, logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        weight, temperature = self.settings.weight, self.settings.temperature
        with torch.no_grad():
            wanted = self.teacher.to(logits.device)(images) / temperature
        divergence = functional.kl_div(
            functional.log_softmax(logits / temperature, dim=1),
            functional.log_softmax(wanted, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        hard = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return (1.0 - weight) * hard + weight * temperature**2 * divergence
