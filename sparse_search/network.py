"""Network: a graph as a trainable torch module, its weights addressed by operator name."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from .batch_norm import batch_norm
from .builder import GREY
from .errors import GraphError
from .graph import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Graph,
    MaxPool2d,
    WeightedOperator,
)
from .memory.fusion import Run, runs

_EPSILON = 1e-5
_MOMENTUM = 0.1
# The usual weights of red, green and blue in luma (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)

Dropout: TypeAlias = Callable[[Tensor], Tensor]
"""Leaves out some of the numbers that a fully connected operator reads, [n, inputs]."""


class Unit(nn.Module):
    """The weights of one operator: weight, bias or batch norm, and an optional pruning mask.

    Attributes:
        weight: torch layout: [out_c, in_c, k_h, k_w], depthwise [channels, 1, k_h, k_w], dense
            [out, in] with the inputs in (height, width, channel) order.
        bias: [out_c]; None where there is a batch norm.
        norm: Batch norm over the output channels, or None.
        mask: Like ``weight``, 1 where a weight may be non-zero; None if nothing is pruned.
    """

    mask: Tensor | None

    def __init__(self, shape: tuple[int, ...], batch_norm: bool) -> None:
        super().__init__()
        weight = torch.zeros(shape)
        if len(shape) == 4:
            # In memory as (out_c, k_h, k_w, in_c): then torch keeps feature maps that way, too.
            weight = torch.zeros(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)
        self.weight = nn.Parameter(weight)
        self.bias = None if batch_norm else nn.Parameter(torch.zeros(shape[0]))
        self.norm = None
        if batch_norm:
            kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
            self.norm = kind(shape[0], eps=_EPSILON, momentum=_MOMENTUM)
        self.register_buffer("mask", None)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """What the batch norm does in evaluation: y = scale * conv + shift, each [out_c]."""
        if self.norm is None:
            return torch.ones(self.weight.shape[0]), cast(Tensor, self.bias).detach()
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        scale = self.norm.weight.detach() / torch.sqrt(variance + self.norm.eps)
        return scale, self.norm.bias.detach() - mean * scale

    def apply_mask(self) -> None:
        """Sets the pruned weights to zero."""
        if self.mask is not None:
            with torch.no_grad():
                self.weight.mul_(self.mask)


class Linear(Protocol):
    """The sums of products of an operator, linear in input and weights."""

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, /) -> Tensor:
        """Sums [n, out_c, h, w] or [n, out] of an input like the operator's."""
        ...


class Noise(Protocol):
    """What training does to weights and outputs of a network, and is not there afterwards.

    Variational pruning methods learn noise beside the weights: what turns out to be mostly noise
    can go. In a forward pass operators come in execution order.
    """

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of ``parameters``."""
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """What is learned; may be nothing. Where the network is, while it is trained."""
        ...

    def sums(self, operator: WeightedOperator, unit: Unit, x: Tensor, linear: Linear) -> Tensor:
        """In place of ``linear(x, unit.weight)``; the bias is added afterwards."""
        ...

    def output(self, operator: WeightedOperator, y: Tensor) -> Tensor:
        """In place of the output y of an operator, batch norm and activation included."""
        ...

    def penalty(self, progress: float) -> Tensor:
        """Added to the mean loss of a batch at a progress in [0, 1] of the training."""
        ...


def _torch_shape(graph: Graph, operator: WeightedOperator) -> tuple[int, ...]:
    shape = graph.weight_shape(operator)
    if isinstance(operator, Conv2d):
        return (shape[0], shape[3], shape[1], shape[2])
    if isinstance(operator, DepthwiseConv2d):
        return (shape[3], 1, shape[1], shape[2])
    return shape


class Network(nn.Module):
    """A graph with weights.

    Feature maps are tensors [n, c, h, w] that lie in memory as [n, h, w, c]: with few channels
    torch computes depthwise convolutions, poolings and gradients several times as fast on them.
    Everything that leaves the class is in the graph's NHWC order.
    """

    def __init__(self, graph: Graph, generator: torch.Generator | None = None) -> None:
        """Builds the modules; He-normal weights from ``generator``, or zeros without one."""
        super().__init__()
        self.graph = graph
        self.units = nn.ModuleDict(
            {op.name: Unit(_torch_shape(graph, op), op.batch_norm) for op in graph.weighted}
        )
        for operator in graph.operators:
            if isinstance(operator, MaxPool2d | AvgPool2d) and any(operator.padding):
                raise GraphError(f"{operator.name}: padded pooling cannot be trained")
        self._runs = runs(graph)
        self._first_dense = next((op.name for op in graph.weighted if isinstance(op, Dense)), None)
        if generator is not None:
            self._initialise(generator)

    def _initialise(self, generator: torch.Generator) -> None:
        for operator in self.graph.weighted:
            unit = self.unit(operator.name)
            if operator.name == GREY:
                luma = torch.tensor(_LUMA).reshape(1, 3, 1, 1)
                unit.weight = nn.Parameter(luma, requires_grad=False)
                unit.bias = nn.Parameter(torch.zeros(1), requires_grad=False)
                continue
            if operator.activation == "relu":
                nn.init.kaiming_normal_(unit.weight, nonlinearity="relu", generator=generator)
            else:
                nn.init.kaiming_normal_(unit.weight, nonlinearity="linear", generator=generator)

    def unit(self, name: str) -> Unit:
        """The weights of the operator called ``name``."""
        return cast(Unit, self.units[name])

    def __iter__(self) -> Iterator[tuple[WeightedOperator, Unit]]:
        """Weighted operators with their weights, in execution order."""
        return ((op, self.unit(op.name)) for op in self.graph.weighted)

    def forward(
        self, images: Tensor, dropout: Dropout | None = None, noise: Noise | None = None
    ) -> Tensor:
        """Logits [n, classes] of float images [n, c, h, w] in [0, 1].

        Args:
            images: Fastest where they lie in memory as ``to_input`` makes them.
            dropout: Applied to what the first fully connected operator reads.
            noise: Applied to every operator that has weights.
        """
        tensors = {self.graph.input.name: images}
        for run in self._runs:
            tensors[run.output] = self._run(run, tensors, dropout, noise)
        return tensors[self.graph.output.name].flatten(1)

    def _run(
        self,
        run: Run,
        tensors: dict[str, Tensor],
        dropout: Dropout | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        operator = run.operator
        x = tensors[operator.inputs[0]]
        if isinstance(operator, MaxPool2d):
            return functional.max_pool2d(x, operator.kernel, operator.stride)
        if isinstance(operator, AvgPool2d):
            return functional.avg_pool2d(x, operator.kernel, operator.stride)
        if isinstance(operator, Add):
            y = x + tensors[operator.inputs[1]]
            return functional.relu_(y) if operator.activation == "relu" else y
        if isinstance(operator, Concat):
            parts = [vectors(tensors[name]) for name in operator.inputs]
            return torch.cat(parts, dim=1)[:, :, None, None]
        unit = self.unit(operator.name)
        if isinstance(operator, Dense):
            x = vectors(x)
            if dropout is not None and operator.name == self._first_dense:
                x = dropout(x)
        linear = linear_part(operator, x)
        if noise is None:
            y = linear(x, unit.weight, unit.bias)
        else:
            y = noise.sums(operator, unit, x, linear)
            if unit.bias is not None:
                y = y + unit.bias.reshape(-1, *[1] * (y.dim() - 2))
        relu = operator.activation == "relu"
        window = None if run.pool is None else run.pool.kernel
        if unit.norm is not None:
            if noise is None:
                return batch_norm(y, unit.norm, relu, window)
            y = batch_norm(y, unit.norm, relu)
        elif relu:
            y = functional.relu_(y)
        if noise is not None:
            y = noise.output(operator, y)
        return y if window is None else functional.max_pool2d(y, window)

    def apply_masks(self) -> None:
        """Sets every pruned weight to zero."""
        for unit in self.units.values():
            cast(Unit, unit).apply_mask()

    def folded(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights in CMSIS-NN's layout and biases [out_c] with the batch norm folded in."""
        operator = next(op for op in self.graph.weighted if op.name == name)
        unit = self.unit(name)
        scale, shift = unit.scale_and_shift()
        weight = unit.weight.detach()
        weight = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
        return deployed_layout(operator, weight).contiguous().numpy(), shift.numpy()

    @torch.no_grad()
    def activations(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Every tensor [n, h, w, c] in evaluation for images [n, h, w, c] of bytes."""
        self.eval()
        x = to_input(images)
        tensors = {self.graph.input.name: x}
        for operator in self.graph.operators:
            tensors[operator.output] = self._run(Run(operator), tensors)
        return {
            name: (t if t.dim() == 4 else t[:, :, None, None]).permute(0, 2, 3, 1).numpy()
            for name, t in tensors.items()
        }

    def copy(self) -> "Network":
        """An independent network of equal graph, weights and masks."""
        twin = Network(self.graph)
        twin.load_weights(self.state_dict())
        return twin

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Takes over a state dict, masks included."""
        for name, unit in self.units.items():
            mask = state.get(f"units.{name}.mask")
            cast(Unit, unit).mask = None if mask is None else mask.clone()
        self.load_state_dict(state)
        if GREY in self.units:
            self.unit(GREY).requires_grad_(False)

    def save(self, path: str) -> None:
        """Writes graph and weights as one safetensors file."""
        state = {name: t.contiguous() for name, t in self.state_dict().items()}
        save_file(state, path, metadata={"graph": self.graph.to_json()})

    @staticmethod
    def load(path: str) -> "Network":
        """Reads ``save``'s file."""
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        if "graph" not in metadata:
            raise GraphError(f"{path}: expected a network with its graph, found none; train again")
        network = Network(Graph.from_json(metadata["graph"]))
        network.load_weights(load_file(path))
        return network


def deployed_layout(operator: WeightedOperator, weight: Tensor) -> Tensor:
    """A view of weights of a unit as CMSIS-NN has them, see ``Graph.weight_shape``."""
    if isinstance(operator, Conv2d):
        return weight.permute(0, 2, 3, 1)
    return weight.permute(1, 2, 3, 0) if isinstance(operator, DepthwiseConv2d) else weight


def torch_layout(operator: WeightedOperator, weight: Tensor) -> Tensor:
    """The inverse of ``deployed_layout``."""
    if isinstance(operator, Conv2d):
        return weight.permute(0, 3, 1, 2)
    return weight.permute(3, 0, 1, 2) if isinstance(operator, DepthwiseConv2d) else weight


def linear_part(operator: WeightedOperator, x: Tensor) -> Linear:
    """Sums of products, and a bias if there is one, for inputs that are like ``x``."""
    if isinstance(operator, Dense):
        return functional.linear
    top, bottom, left, right = operator.padding
    groups = x.shape[1] if isinstance(operator, DepthwiseConv2d) else 1
    even = (top, left) == (bottom, right)

    def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x = x if even else functional.pad(x, (left, right, top, bottom))
        padding = (top, left) if even else 0
        return functional.conv2d(x, weight, bias, operator.stride, padding, groups=groups)

    return convolve


def vectors(x: Tensor) -> Tensor:
    """Feature maps [n, c, h, w] as vectors [n, h * w * c]; vectors [n, c] as they are."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


def channels_last(images: NDArray[np.uint8]) -> Tensor:
    """A view of contiguous images [n, h, w, c] as a tensor [n, c, h, w] of bytes.

    Its strides are set, not computed: where a size is 1, numpy's may be any number, and torch 2.13
    reads outside the image for some of them.
    """
    n, h, w, c = images.shape
    return torch.from_numpy(images).as_strided((n, c, h, w), (h * w * c, 1, w * c, c))


def to_input(images: NDArray[np.uint8]) -> Tensor:
    """Images [n, h, w, c] of bytes as a network takes them: [n, c, h, w] in [0, 1]."""
    return to_float(channels_last(images.copy(order="C")))


def to_float(images: Tensor) -> Tensor:
    """Bytes to the numbers that a network sees, in [0, 1]."""
    return images.float().mul_(1.0 / 255.0)
