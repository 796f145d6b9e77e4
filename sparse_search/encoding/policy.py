"""EncodingPolicy: what the choice of encodings may cost in time, and what counts as size."""

from dataclasses import dataclass
from typing import Any

from ..errors import MemoryPlanError
from .encodings import ALL_ENCODINGS


@dataclass(frozen=True, slots=True)
class EncodingPolicy:
    """How encodings are chosen. The default is the fewest bytes of weights for every layer.

    Attributes:
        allowed: Names of the encodings to choose from; a layer that none of them can hold within
            the cap is dense.
        max_mac_cost: No layer may take more than this many times the instructions of its dense
            kernel, as estimated for a Cortex-M4 (``costs``); None for no cap.
        count_code: Choose for the whole model so that weights and the machine code of the kernels
            that read them are least together, as estimated for a Cortex-M4.
        narrow_channels: Constants of channels are kept in few bytes where they can be
            (``integer.channels``).
        shared_table: Layers may share the table of their codebooks, where that is less in all.
    """

    allowed: tuple[str, ...] = ALL_ENCODINGS
    max_mac_cost: float | None = None
    count_code: bool = False
    narrow_channels: bool = True
    shared_table: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.allowed if name not in ALL_ENCODINGS]
        if unknown or not self.allowed:
            raise MemoryPlanError(
                f"expected encodings among {', '.join(ALL_ENCODINGS)}, got "
                f"{', '.join(unknown) or 'none'}"
            )
        if self.max_mac_cost is not None and not self.max_mac_cost > 0:
            raise MemoryPlanError(
                f"expected a cap of the slowdown above 0, got {self.max_mac_cost}; 1 allows "
                "nothing slower than dense weights"
            )

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "EncodingPolicy":
        """The inverse of ``dataclasses.asdict``, also after JSON."""
        return EncodingPolicy(
            tuple(values["allowed"]),
            values["max_mac_cost"],
            bool(values["count_code"]),
            # Plans of earlier versions know wide channels and a table for each layer only.
            bool(values.get("narrow_channels", False)),
            bool(values.get("shared_table", False)),
        )
