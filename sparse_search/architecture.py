"""Architecture: a network as a value. Frozen, hashable, JSON round trip; no weights.

An architecture says what is built, not how it is trained: an input transform, blocks of
convolutional layers that may end in a pooling, a head, hidden fully connected layers and the
output layer (which is implied). The vocabulary is that of SpArSe (arXiv:1905.12107).

Layers are a tagged union (``kind``), so that more of them can join without changing the types that
exist.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from .errors import ArchitectureError
from .json_errors import describe, unknown_keys

PaddingMode: TypeAlias = Literal["same", "valid"]
PoolKind: TypeAlias = Literal["none", "max", "average", "max3", "max4"]
"""Pooling at the end of a block, over 2x2 windows but for "max3" and "max4", over 3x3 and 4x4."""
HeadKind: TypeAlias = Literal["flatten", "average", "max"]
FcBranch: TypeAlias = Literal["none", "flatten", "average", "max"]
Branch: TypeAlias = Literal["none", "shortcut", "conv1", "conv3", "conv5"]
LayerKind: TypeAlias = Literal["conv", "downsampled", "separable", "depthwise"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ArchitectureError(message)


def _check_window(kernel: int, stride: int) -> None:
    _require(kernel >= 1, f"expected kernel >= 1, got {kernel}")
    _require(stride >= 1, f"expected stride >= 1, got {stride}")


def _check_conv(filters: int, kernel: int, stride: int) -> None:
    _require(filters >= 1, f"expected filters >= 1, got {filters}; remove the layer instead")
    _check_window(kernel, stride)


@dataclass(frozen=True, slots=True)
class Conv2D:
    """A k x k convolution, batch norm, ReLU."""

    filters: int
    kernel: int
    stride: int = 1
    padding: PaddingMode = "same"
    kind: Literal["conv"] = "conv"

    def __post_init__(self) -> None:
        _check_conv(self.filters, self.kernel, self.stride)


@dataclass(frozen=True, slots=True)
class DownsampledConv2D:
    """A 1 x 1 convolution that removes ``reduction_percent`` of the channels, then k x k.

    Both are followed by batch norm and ReLU. At least one channel stays.
    """

    filters: int
    kernel: int
    stride: int = 1
    padding: PaddingMode = "same"
    reduction_percent: int = 50
    kind: Literal["downsampled"] = "downsampled"

    def __post_init__(self) -> None:
        _check_conv(self.filters, self.kernel, self.stride)
        _require(
            0 <= self.reduction_percent <= 50,
            f"expected 0 <= reduction_percent <= 50, got {self.reduction_percent}",
        )

    def bottleneck(self, in_channels: int) -> int:
        """Channels after the 1 x 1 convolution.

        >>> DownsampledConv2D(8, 3, reduction_percent=50).bottleneck(5)
        3
        """
        return max(1, in_channels - in_channels * self.reduction_percent // 100)


@dataclass(frozen=True, slots=True)
class SeparableConv2D:
    """A depthwise k x k convolution, then a pointwise one; batch norm and ReLU after each."""

    filters: int
    kernel: int
    stride: int = 1
    padding: PaddingMode = "same"
    kind: Literal["separable"] = "separable"

    def __post_init__(self) -> None:
        _check_conv(self.filters, self.kernel, self.stride)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D:
    """A depthwise k x k convolution, batch norm, ReLU; as many channels as its input."""

    kernel: int
    stride: int = 1
    padding: PaddingMode = "same"
    kind: Literal["depthwise"] = "depthwise"

    def __post_init__(self) -> None:
        _check_window(self.kernel, self.stride)


WideLayer: TypeAlias = Conv2D | DownsampledConv2D | SeparableConv2D
"""The layers that choose their number of filters."""

ConvLayer: TypeAlias = Annotated[
    Conv2D | DownsampledConv2D | SeparableConv2D | DepthwiseConv2D, Field(discriminator="kind")
]


def make_layer(
    kind: LayerKind,
    filters: int,
    kernel: int,
    stride: int = 1,
    padding: PaddingMode = "same",
    reduction_percent: int = 50,
) -> ConvLayer:
    """A layer of any type; what the type does not have is ignored.

    >>> make_layer("depthwise", 8, 3)
    DepthwiseConv2D(kernel=3, stride=1, padding='same', kind='depthwise')
    """
    if kind == "depthwise":
        return DepthwiseConv2D(kernel, stride, padding)
    if kind == "downsampled":
        return DownsampledConv2D(filters, kernel, stride, padding, reduction_percent)
    if kind == "separable":
        return SeparableConv2D(filters, kernel, stride, padding)
    return Conv2D(filters, kernel, stride, padding)


POOL_SIDES: Final[Mapping[PoolKind, int]] = MappingProxyType(
    {"none": 1, "max": 2, "average": 2, "max3": 3, "max4": 4}
)
"""Side of the windows by kind of pooling."""


@dataclass(frozen=True, slots=True)
class ConvBlock:
    """Convolutional layers in sequence, with an optional second path and an optional pooling.

    Attributes:
        layers: The main path.
        pool: Pooling at the end of the block, its windows side by side.
        branch: A second path from the block's input, added to the main path before the pooling;
            ReLU follows the sum and not the last layer. "shortcut" is the input itself where the
            shapes are equal, else a 1 x 1 convolution; "conv3" is a 3 x 3 convolution. A
            convolution has padding "same" and strides as far as the layers of the main path do
            together, or to the end where these leave one position; the shapes must agree.
        fc_branch: What the block's output, after pooling, sends directly to the first fully
            connected layer, beside what the head sends: nothing, everything, or one number for
            each channel.
    """

    layers: tuple[ConvLayer, ...]
    pool: PoolKind = "none"
    branch: Branch = "none"
    fc_branch: FcBranch = "none"

    def __post_init__(self) -> None:
        _require(len(self.layers) >= 1, "expected at least one layer in a block, got none")


@dataclass(frozen=True, slots=True)
class InputTransform:
    """What happens to an image before the first block: average pooling, then colour to grey.

    Attributes:
        pool: Side of the average pooling; 1 for none.
        colour: "grey" mixes three channels to one.
        fc_branch: What the transformed image sends directly to the first fully connected layer.
    """

    pool: int = 1
    colour: Literal["keep", "grey"] = "keep"
    fc_branch: FcBranch = "none"

    def __post_init__(self) -> None:
        _require(self.pool >= 1, f"expected an input pooling factor >= 1, got {self.pool}")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network: input transform, blocks, head, hidden layers; the output layer is implied.

    Attributes:
        blocks: Convolutional blocks, input side first; may be empty.
        hidden: Units of each hidden fully connected layer.
        head: "flatten" feeds every position to the first fully connected layer, "average" the
            mean of each channel, "max" its maximum.
        input: The input transform.
    """

    blocks: tuple[ConvBlock, ...] = ()
    hidden: tuple[int, ...] = ()
    head: HeadKind = "flatten"
    input: InputTransform = InputTransform()

    def __post_init__(self) -> None:
        for units in self.hidden:
            _require(units >= 1, f"expected hidden units >= 1, got {units}")

    def to_json(self) -> str:
        """Compact JSON, the same text for equal architectures.

        >>> a = Architecture(blocks=(ConvBlock((Conv2D(4, 3),), pool="max"),), hidden=(16,))
        >>> Architecture.from_json(a.to_json()) == a
        True
        """
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Architecture":
        """Reads ``to_json``'s text.

        Raises:
            ArchitectureError: The text is not a valid architecture, or has keys that none has; says
                where.
        """
        try:
            architecture = _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise ArchitectureError(f"not a valid architecture: {describe(error)}") from None
        given = json.loads(text)
        unknown = [*unknown_keys(given, _ADAPTER.dump_python(architecture, mode="json"))]
        if unknown or "blocks" not in given:
            found = f"unknown keys: {', '.join(unknown)}" if unknown else "no blocks"
            raise ArchitectureError(
                "not a valid architecture: expected blocks, and maybe hidden, head and input, "
                f"found {found}"
            )
        return architecture

    @property
    def layer_count(self) -> int:
        """Convolutional layers in all blocks together."""
        return sum(len(block.layers) for block in self.blocks)

    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the architecture in files."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


_ADAPTER = TypeAdapter(Architecture)
