"""C that calls CMSIS-NN in place of this product's own kernels; weights are dense."""

from .render import render_cmsis_nn

__all__ = ["render_cmsis_nn"]
