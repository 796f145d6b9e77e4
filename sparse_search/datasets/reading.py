"""ReadOptions: how a path of one's own is read. They are recorded with a study and an export."""

import re
from dataclasses import dataclass, fields
from typing import Any

from ..errors import DatasetError


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How images or tables are read; each kind of source takes some of these and refuses others.

    Attributes:
        size: (height, width) to which images are scaled; None leaves them as they are.
        grey: Whether images become grey.
        label: Column of a table that names the class; None finds it.
    """

    size: tuple[int, int] | None = None
    grey: bool = False
    label: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not (
            len(self.size) == 2 and all(isinstance(side, int) and side >= 1 for side in self.size)
        ):
            raise DatasetError(
                f"expected a size of (height, width), each at least 1, got {self.size!r}; "
                "(32, 32) is usual"
            )

    @property
    def given(self) -> dict[str, Any]:
        """What differs from the defaults, by name; values as JSON has them.

        >>> ReadOptions(size=(24, 32), grey=True).given
        {'size': [24, 32], 'grey': True}
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value not in (None, False)
        }

    @staticmethod
    def from_given(given: dict[str, Any]) -> "ReadOptions":
        """The options of which ``given`` was recorded.

        Raises:
            DatasetError: There are no such options.
        """
        try:
            values = dict(given)
            if "size" in values:
                values["size"] = tuple(values["size"])
            return ReadOptions(**values)
        except TypeError:
            raise DatasetError(
                f"expected the options size, grey and label, found {given!r}; the record is "
                "damaged or of a later version"
            ) from None


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width of a size such as "32" or "24x32" (height x width).

    >>> parse_image_size("32"), parse_image_size("24x32")
    ((32, 32), (24, 32))

    Raises:
        DatasetError: Not a size.
    """
    match = re.fullmatch(r"\s*(\d+)\s*(?:[x×]\s*(\d+)\s*)?", text.lower())
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(1 <= side <= 10_000 for side in sides):
        raise DatasetError(
            f"expected a size of images in pixels such as 32, or 24x32 for height x width, got "
            f"{text!r}"
        )
    return sides


AS_IT_IS = ReadOptions()
"""No option is given."""
