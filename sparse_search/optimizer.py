"""AdamW: the optimizer, with all weights of a network as one long vector.

A small network has many small tensors, and an update that visits each of them takes about as long
as the network itself. As one vector the update is a dozen operations, clipping included.

Notation (arXiv:1412.6980, arXiv:1711.05101):

    g          gradient               lr      learning rate of this step
    m, v       running means of g     d       weight decay
               and g^2                t       step, from 1

    m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g^2
    w <- (1 - lr d) w - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
"""

from collections.abc import Iterable, Iterator
from math import sqrt

import torch
from torch import Tensor, nn

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_ALIGNMENT = 4


class AdamW:
    """Adam with decoupled weight decay and gradient clipping.

    Between ``__init__`` and ``release`` the parameters are parts of one vector. Biases and batch
    norms are not decayed: they are few, and nothing is gained by making them smaller.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], weight_decay: float, clip_norm: float | None
    ) -> None:
        """Moves the parameters into one vector.

        Args:
            parameters: What is trained.
            weight_decay: Of parameters of two or more dimensions.
            clip_norm: Largest norm of the gradient of all parameters together; None for any.
        """
        # Decayed ones come first, so that they are a part of the vector.
        self._parameters = sorted(parameters, key=lambda p: p.dim() < 2)
        self._weight_decay = weight_decay
        self._clip_norm = clip_norm
        like = self._parameters[0].detach()
        size = sum(map(_room, self._parameters))
        self._weights, self._gradient, self._mean, self._square = (
            like.new_zeros(size) for _ in range(4)
        )
        self._decayed = sum(_room(p) for p in self._parameters if p.dim() >= 2)
        self._step = 0
        for parameter, weights, gradient in zip(
            self._parameters, self._parts(self._weights), self._parts(self._gradient), strict=True
        ):
            weights.copy_(parameter.detach())
            parameter.data = weights
            parameter.grad = gradient

    def _parts(self, vector: Tensor) -> Iterator[Tensor]:
        """Views of a vector with the shapes, and the order in memory, of the parameters."""
        start = 0
        for parameter in self._parameters:
            yield vector.as_strided(parameter.shape, parameter.stride(), start)
            start += _room(parameter)

    def zero_gradient(self) -> None:
        """Before each backward pass, which adds to the gradient."""
        self._gradient.zero_()

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Changes the parameters by their gradient."""
        self._step += 1
        gradient, (b1, b2) = self._gradient, _BETAS
        if self._clip_norm is not None:
            gradient.mul_((self._clip_norm / (gradient.norm() + 1e-6)).clamp_max_(1.0))
        self._mean.lerp_(gradient, 1.0 - b1)
        self._square.mul_(b2).addcmul_(gradient, gradient, value=1.0 - b2)
        root = self._square.sqrt().mul_(1.0 / sqrt(1.0 - b2**self._step)).add_(_EPSILON)
        if self._weight_decay > 0.0:
            self._weights[: self._decayed].mul_(1.0 - learning_rate * self._weight_decay)
        self._weights.addcdiv_(self._mean, root, value=-learning_rate / (1.0 - b1**self._step))

    def state(self) -> dict[str, Tensor]:
        """Copies of everything that changes but the parameters themselves."""
        return {
            "mean": self._mean.clone(),
            "square": self._square.clone(),
            "step": torch.tensor(self._step),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continues from what ``state`` gave."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._step = int(state["step"])

    def release(self) -> None:
        """Gives every parameter memory of its own again."""
        for parameter in self._parameters:
            parameter.data = parameter.detach().clone(memory_format=torch.preserve_format)
            parameter.grad = None


def _room(parameter: nn.Parameter) -> int:
    """Numbers from the start of one parameter to that of the next.

    Kernels read faster from aligned addresses, and some of those of a GPU read from no others. What
    lies between stays zero.
    """
    return -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT
