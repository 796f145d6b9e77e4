"""Architecture: a network as a value. Frozen, hashable, JSON round trip; no weights.

An architecture says what is built, not how it is trained: an input transform, blocks of
convolutional layers that may end in a 2x2 pooling, a head, hidden fully connected layers and the
output layer (which is implied). The vocabulary is that of SpArSe (arXiv:1905.12107).

Blocks and layers are tagged unions (``kind``), so that residual and branching blocks can join
without changing the types that exist.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from .errors import ArchitectureError

PaddingMode: TypeAlias = Literal["same", "valid"]
PoolKind: TypeAlias = Literal["none", "max", "average"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ArchitectureError(message)


def _check_conv(filters: int, kernel: int, stride: int) -> None:
    _require(filters >= 1, f"expected filters >= 1, got {filters}; remove the layer instead")
    _require(kernel >= 1, f"expected kernel >= 1, got {kernel}")
    _require(stride >= 1, f"expected stride >= 1, got {stride}")


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


ConvLayer: TypeAlias = Annotated[
    Conv2D | DownsampledConv2D | SeparableConv2D, Field(discriminator="kind")
]


@dataclass(frozen=True, slots=True)
class ConvBlock:
    """Convolutional layers in sequence, then an optional 2 x 2 pooling with stride 2."""

    layers: tuple[ConvLayer, ...]
    pool: PoolKind = "none"
    kind: Literal["serial"] = "serial"

    def __post_init__(self) -> None:
        _require(len(self.layers) >= 1, "expected at least one layer in a block, got none")


@dataclass(frozen=True, slots=True)
class InputTransform:
    """What happens to an image before the first block: average pooling, then colour to grey."""

    pool: int = 1
    colour: Literal["keep", "grey"] = "keep"

    def __post_init__(self) -> None:
        _require(self.pool >= 1, f"expected an input pooling factor >= 1, got {self.pool}")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network: input transform, blocks, head, hidden layers; the output layer is implied.

    Attributes:
        blocks: Convolutional blocks, input side first; may be empty.
        hidden: Units of each hidden fully connected layer.
        head: "flatten" feeds every position to the first fully connected layer, "average" the
            mean of each channel.
        input: The input transform.
    """

    blocks: tuple[ConvBlock, ...] = ()
    hidden: tuple[int, ...] = ()
    head: Literal["flatten", "average"] = "flatten"
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
            ArchitectureError: The text is not a valid architecture; says where.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            details = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors()
            )
            raise ArchitectureError(f"not a valid architecture: {details}") from None

    @property
    def layer_count(self) -> int:
        """Convolutional layers in all blocks together."""
        return sum(len(block.layers) for block in self.blocks)

    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the architecture in files."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


_ADAPTER = TypeAdapter(Architecture)
