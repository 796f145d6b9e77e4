"""The second path of a block, and what goes directly to the first fully connected layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparse_search.architecture import Architecture, FcBranch
from sparse_search.interfaces import Site
from sparse_search.space import SearchSpace

from .edits import BRANCHES, choose, set_block

_FC_BRANCHES: tuple[FcBranch, ...] = ("none", "flatten", "average", "max")
_INPUT = -1
"""Stands for the input where a site has the index of a block."""


@dataclass(frozen=True, slots=True)
class SetBranch:
    """Sets the second path of one block."""

    name: str = "set_branch"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per block and other branch."""
        return [
            Site(b, -1, branch)
            for b, block in enumerate(architecture.blocks)
            for branch in space.branches
            if branch != block.branch
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the branch to ``site.value``."""
        block = replace(architecture.blocks[site.block], branch=choose(BRANCHES, site.value))
        return set_block(architecture, site.block, block)


@dataclass(frozen=True, slots=True)
class SetFcBranch:
    """Sets what one block, or the input, sends directly to the first fully connected layer."""

    name: str = "set_fc_branch"

    def sites(self, architecture: Architecture, space: SearchSpace) -> Sequence[Site]:
        """One site per block, or the input, and other branch."""
        present = [
            (_INPUT, architecture.input.fc_branch),
            *((b, block.fc_branch) for b, block in enumerate(architecture.blocks)),
        ]
        return [
            Site(b, -1, branch)
            for b, old in present
            for branch in space.fc_branches
            if branch != old
        ]

    def apply(self, architecture: Architecture, site: Site) -> Architecture:
        """Sets the branch to ``site.value``."""
        branch = choose(_FC_BRANCHES, site.value)
        if site.block == _INPUT:
            return replace(architecture, input=replace(architecture.input, fc_branch=branch))
        block = replace(architecture.blocks[site.block], fc_branch=branch)
        return set_block(architecture, site.block, block)
