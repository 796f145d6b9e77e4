"""Morphisms: one family of small edits per file.

To add one, copy a file, edit it, and add one line to ``MORPHISMS``; the contract test picks it up.
"""

from sparse_search.interfaces import Morphism

from .blocks import InsertBlock, RemoveBlock, SetPool
from .branches import SetBranch, SetFcBranch
from .depth import InsertLayer, RemoveLayer
from .head import InsertHidden, RemoveHidden, SetHead, SetHiddenUnits
from .input import SetColour, SetInputPool
from .kernel import SetKernel, SetPadding, SetStride
from .layer_type import SetLayerType, SetReduction
from .width import Narrow, Widen

MORPHISMS: tuple[Morphism, ...] = (
    Widen(),
    Narrow(),
    InsertLayer(),
    RemoveLayer(),
    SetKernel(),
    SetStride(),
    SetPadding(),
    SetLayerType(),
    SetReduction(),
    InsertBlock(),
    RemoveBlock(),
    SetPool(),
    SetBranch(),
    SetFcBranch(),
    InsertHidden(),
    RemoveHidden(),
    SetHiddenUnits(),
    SetHead(),
    SetInputPool(),
    SetColour(),
)

__all__ = ["MORPHISMS"]
