"""The encodings by name: every way to say positions with every way to write values.

Where two encodings take equal bytes the one that comes first here is taken: it is faster.
"""

from dataclasses import dataclass
from types import MappingProxyType

from .positions import Bitmap, Columns, Dense, Gaps, Lists, Positions
from .values import Codebook, Plain, Values

DENSE = "dense"


@dataclass(frozen=True)
class Encoding:
    """One way to store weights.

    Attributes:
        positions: Says which weights are stored.
        values: Writes the stored weights.
    """

    positions: Positions
    values: Values

    @property
    def name(self) -> str:
        """Such as "dense", "gaps4", "codebook2", "columns_bitmap_codebook3"."""
        return "_".join(x for x in (self.positions.name, self.values.name) if x) or DENSE


_POSITIONS: tuple[Positions, ...] = (
    Dense(),
    Columns(Gaps(8)),
    Columns(Bitmap()),
    Columns(Gaps(4)),
    Lists(1),
    Lists(2),
    Gaps(8),
    Bitmap(),
    Gaps(4),
)
_VALUES: tuple[Values, ...] = (Plain(), Codebook(4), Codebook(2), Codebook(3))

ENCODINGS = MappingProxyType(
    {e.name: e for values in _VALUES for e in (Encoding(p, values) for p in _POSITIONS)}
)

ALL_ENCODINGS: tuple[str, ...] = tuple(ENCODINGS)
DENSE_ONLY: tuple[str, ...] = (DENSE,)


def allowed_encodings(operator_kind: str) -> tuple[str, ...]:
    """Encodings that the exported kernels can read for an operator of this kind.

    >>> allowed_encodings("depthwise_conv2d")
    ('dense',)
    >>> len(allowed_encodings("conv2d")), len(allowed_encodings("dense"))
    (36, 36)
    """
    return DENSE_ONLY if operator_kind == "depthwise_conv2d" else ALL_ENCODINGS
