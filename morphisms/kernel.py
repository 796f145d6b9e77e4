"""Another kernel, stride or padding in one layer.

Weights are inherited: a larger kernel is the old one with zeros around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, PaddingMode
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import layers, set_layer


@dataclass(frozen=True, slots=True)
class SetKernel:
    """Sets the kernel of one layer."""

    name: str = "set_kernel"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and other kernel."""
        return [
            Site(b, i, kernel)
            for b, i, layer in layers(architecture)
            for kernel in space.kernels
            if kernel != layer.kernel
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the kernel to ``site.value``."""
        layer = architecture.blocks[site.block].layers[site.layer]
        return set_layer(architecture, site, replace(layer, kernel=int(site.value)))


@dataclass(frozen=True, slots=True)
class SetStride:
    """Sets the stride of one layer."""

    name: str = "set_stride"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and other stride."""
        return [
            Site(b, i, stride)
            for b, i, layer in layers(architecture)
            for stride in space.strides
            if stride != layer.stride
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the stride to ``site.value``."""
        layer = architecture.blocks[site.block].layers[site.layer]
        return set_layer(architecture, site, replace(layer, stride=int(site.value)))


@dataclass(frozen=True, slots=True)
class SetPadding:
    """Switches the padding of one layer."""

    name: str = "set_padding"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per layer and other padding mode."""
        return [
            Site(b, i, mode)
            for b, i, layer in layers(architecture)
            for mode in space.paddings
            if mode != layer.padding
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the padding to ``site.value``."""
        layer = architecture.blocks[site.block].layers[site.layer]
        mode: PaddingMode = "same" if site.value == "same" else "valid"
        return set_layer(architecture, site, replace(layer, padding=mode))
