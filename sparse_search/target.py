"""Target: a board's core, RAM and flash. Limits: the most that a model may take of them.

KB and KiB are both 1024 B, MB and MiB 1024 * 1024 B, as data sheets of microcontrollers use them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias, get_args

from .errors import TargetError
from .memory import MEASURES, KernelLibrary, LayerCost, MemoryPlan

ModelDefinition: TypeAlias = Literal["flash", "nonzeros", "int8-dense"]
MemoryDefinition: TypeAlias = Literal["arena", "in+weights", "in+out", "live-no-input"]

MEMORY_FIGURES: dict[MemoryDefinition, str] = {
    "arena": "arena_bytes",
    "in+weights": "in_weights_bytes",
    "in+out": "in_out_bytes",
    "live-no-input": "live_no_input_bytes",
}
"""The figure of a plan by definition of working memory."""

MODEL_FIGURES: dict[ModelDefinition, tuple[str, Callable[[LayerCost], int]]] = {
    "flash": ("flash_bytes", lambda layer: layer.flash_bytes),
    "nonzeros": ("nonzeros", lambda layer: layer.stored_numbers),
    "int8-dense": ("int8_dense_bytes", lambda layer: layer.int8_dense_bytes),
}
"""The figure of a plan by definition, and a layer's part of it."""


class Core(StrEnum):
    """Processor cores, by the name that compilers use."""

    AVR = "avr"
    M0 = "cortex-m0"
    M0PLUS = "cortex-m0plus"
    M3 = "cortex-m3"
    M4 = "cortex-m4"
    M7 = "cortex-m7"
    M33 = "cortex-m33"
    M55 = "cortex-m55"
    M85 = "cortex-m85"

    @property
    def cmsis_kernels(self) -> KernelLibrary | None:
        """The variant of CMSIS-NN that the core would run; None where there is none.

        >>> Core.M4.cmsis_kernels, Core.AVR.cmsis_kernels
        (<KernelLibrary.CMSIS_DSP: 'cmsis-nn-dsp'>, None)
        """
        return _CMSIS_KERNELS.get(self)


_CMSIS_KERNELS = {
    Core.M0: KernelLibrary.CMSIS_SCALAR,
    Core.M0PLUS: KernelLibrary.CMSIS_SCALAR,
    Core.M3: KernelLibrary.CMSIS_SCALAR,
    Core.M4: KernelLibrary.CMSIS_DSP,
    Core.M7: KernelLibrary.CMSIS_DSP,
    Core.M33: KernelLibrary.CMSIS_DSP,
    Core.M55: KernelLibrary.CMSIS_MVE,
    Core.M85: KernelLibrary.CMSIS_MVE,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A board and what of it is left for a model.

    Attributes:
        name: How the board is asked for.
        mcu: Part number of the microcontroller.
        core: Its processor core.
        ram_bytes: RAM of one contiguous region that an arena can lie in.
        flash_bytes: Memory for code and constants.
        reserved_ram_bytes: Kept for the stack and the application's own variables.
        reserved_flash_bytes: Kept for code: boot loader, startup, kernels, application.
        note: Which memory is meant, where there are several.
    """

    name: str
    mcu: str
    core: Core
    ram_bytes: int
    flash_bytes: int
    reserved_ram_bytes: int
    reserved_flash_bytes: int
    note: str = ""

    def __post_init__(self) -> None:
        for what, size, reserved in (
            ("RAM", self.ram_bytes, self.reserved_ram_bytes),
            ("flash", self.flash_bytes, self.reserved_flash_bytes),
        ):
            if not 0 <= reserved < size:
                raise TargetError(
                    f"{self.name}: expected reserved {what} in [0, {size}) B, got {reserved}"
                )

    @property
    def arena_limit_bytes(self) -> int:
        """RAM left for the arena."""
        return self.ram_bytes - self.reserved_ram_bytes

    @property
    def model_limit_bytes(self) -> int:
        """Flash left for the model's constants."""
        return self.flash_bytes - self.reserved_flash_bytes


_UNITS = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10}
_UNITS |= {"m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20}


def parse_size(size: str | int) -> int:
    """Bytes of a size such as 2048, "2048", "2KB", "1.5 KiB" or "1MB"; KB is 1024 B.

    >>> parse_size("2KB"), parse_size("1.5 kib"), parse_size(300)
    (2048, 1536, 300)

    Raises:
        TargetError: Not a size, not whole bytes, or not positive.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(size).lower())
    if match is None or match[2] not in _UNITS:
        raise TargetError(
            f"expected a size such as 2048, '2KB' or '1MB' (B, KB, KiB, MB, MiB), got {size!r}"
        )
    count = float(match[1]) * _UNITS[match[2]]
    if count < 1 or not count.is_integer():
        raise TargetError(f"expected a whole number of bytes, at least 1, got {size!r}")
    return int(count)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most RAM and model size that a model may have; None is no limit.

    Attributes:
        ram_bytes: Limit of the working memory.
        model_bytes: Limit of the model's size.
        model_definition: Which size of the model is meant: "flash", "nonzeros" or "int8-dense".
        memory_definition: Which working memory is meant: "arena", what the exported C needs, or
            that of a paper, "in+weights", "in+out" or "live-no-input".
    """

    ram_bytes: int | None = None
    model_bytes: int | None = None
    model_definition: ModelDefinition = "flash"
    memory_definition: MemoryDefinition = "arena"

    def __post_init__(self) -> None:
        for what, limit in (("ram_bytes", self.ram_bytes), ("model_bytes", self.model_bytes)):
            if limit is not None and limit < 1:
                raise TargetError(f"expected {what} of at least 1 or None, got {limit}")
        for what, definition, known in (
            ("model", self.model_definition, get_args(ModelDefinition)),
            ("memory", self.memory_definition, get_args(MemoryDefinition)),
        ):
            if definition not in known:
                raise TargetError(
                    f"expected a {what} definition among {', '.join(known)}, got {definition!r}"
                )

    @staticmethod
    def of_target(target: Target, model_definition: ModelDefinition = "flash") -> "Limits":
        """What a board leaves for a model."""
        return Limits(target.arena_limit_bytes, target.model_limit_bytes, model_definition)

    @property
    def by_figure(self) -> dict[str, int]:
        """Every limit that is set, by the name of the plan's figure that it bounds.

        >>> Limits(2048, 4096, "nonzeros").by_figure
        {'arena_bytes': 2048, 'nonzeros': 4096}
        """
        bounds = {
            MEMORY_FIGURES[self.memory_definition]: self.ram_bytes,
            MODEL_FIGURES[self.model_definition][0]: self.model_bytes,
        }
        return {figure: bound for figure, bound in bounds.items() if bound is not None}

    def model_size_bytes(self, plan: MemoryPlan) -> int:
        """The size of the model as ``model_definition`` counts it."""
        return MEASURES[self.model_definition].of(plan)

    def memory_bytes(self, plan: MemoryPlan) -> int:
        """The working memory as ``memory_definition`` counts it."""
        return MEASURES[self.memory_definition].of(plan)

    def check(self, plan: MemoryPlan) -> list[str]:
        """What ``plan`` violates, in words; empty where it keeps every limit."""
        violations = []
        memory, figure = self.memory_bytes(plan), MEMORY_FIGURES[self.memory_definition]
        if self.ram_bytes is not None and memory > self.ram_bytes:
            peak = plan.peak
            # Where the peak lies depends on what is counted.
            where = f" (live at {peak.operator}: {peak.text})" if figure == "arena_bytes" else ""
            violations.append(f"{figure} {memory} > {self.ram_bytes}{where}")
        size = self.model_size_bytes(plan)
        if self.model_bytes is not None and size > self.model_bytes:
            figure, part = MODEL_FIGURES[self.model_definition]
            largest = ", ".join(
                f"{layer.name} {part(layer)} B"
                for layer in sorted(plan.layers, key=part, reverse=True)[:3]
            )
            violations.append(f"{figure} {size} > {self.model_bytes} (largest: {largest})")
        return violations
