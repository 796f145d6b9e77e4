"""Certificate: what a verification measured, beside what was predicted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from .manifest import CERTIFICATE_NAME


@dataclass(frozen=True, slots=True)
class Difference:
    """Where C and reference first differ.

    Attributes:
        image: Index of the first image whose output differs.
        operator: Name of the first operator that differs on it, in execution order; "output"
            if all operators agree and the bytes that the caller reads do not.
        operator_index: Its index; the number of operators for "output".
        element: (row, column, channel) of its first differing element.
        expected: What the reference computes there.
        got: What the C code computes there.
    """

    image: int
    operator: str
    operator_index: int
    element: tuple[int, int, int]
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a firmware shows, beside what was predicted of it.

    Attributes:
        name: What was measured.
        unit: Of both numbers.
        predicted: Before the firmware was built; None where nothing was.
        measured: None where it could not be measured.
        tolerance: How far they may be apart, as a fraction of the prediction; None where they are
            only shown.
        at_most: The prediction is a bound: smaller numbers agree with it.
    """

    name: str
    unit: str
    predicted: int | None
    measured: int | None
    tolerance: float | None = None
    at_most: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the numbers are as close as they must be.

        >>> Figure("code", "B", 1000, 1049, 0.05).agrees, Figure(".bss", "B", 8, 9, 0.0).agrees
        (True, False)
        """
        if self.tolerance is None or self.predicted is None:
            return True
        if self.measured is None:
            return False
        if self.at_most and self.measured < self.predicted:
            return True
        return abs(self.measured - self.predicted) <= self.tolerance * self.predicted


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of one verification.

    Attributes:
        model_hash: Of the model.
        core: Where the C code ran.
        compiler: What its compiler says about itself.
        flags: All flags of the compiler.
        images: Images that both have computed.
        identical: Images whose output bytes are equal.
        correct: Images whose class is right, by the C code; None if labels were not given.
        predicted_arena_bytes: Working memory by the plan.
        measured_arena_bytes: From the arena's start to the last byte that was written.
        writes_below_arena: Bytes before the arena were written.
        reads_uninitialised: An output depends on what the arena held before.
        modified_files: Files of the export that are missing or not as they were written.
        first_difference: None if all images are identical.
        figures: What the linked firmware of an emulated core shows; empty on the host.
        wrong_codes: Calls that returned something else than the header says; 0 on the host, where
            only right calls are made.
        refused_writes: Bytes that a call has written although it returned an error.
    """

    model_hash: str
    core: str
    compiler: str
    flags: tuple[str, ...]
    images: int
    identical: int
    correct: int | None
    predicted_arena_bytes: int
    measured_arena_bytes: int
    writes_below_arena: bool
    reads_uninitialised: bool
    modified_files: tuple[str, ...]
    first_difference: Difference | None
    figures: tuple[Figure, ...] = ()
    wrong_codes: int = 0
    refused_writes: int = 0

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that speaks against the export, one sentence each; empty if it passed."""
        found = []
        if self.modified_files:
            found.append(
                f"not as they were exported: {', '.join(self.modified_files)}; export again"
            )
        if self.identical != self.images:
            found.append(
                f"C and reference differ on {self.images - self.identical} of {self.images} images"
            )
        if self.first_difference is not None:
            d = self.first_difference
            found.append(
                f"the first differing layer is {d.operator!r} (operator {d.operator_index}) on "
                f"image {d.image}: element {list(d.element)} is {d.got}, expected {d.expected}"
            )
        if self.measured_arena_bytes > self.predicted_arena_bytes:
            found.append(
                f"the arena is written up to byte {self.measured_arena_bytes}, the plan has "
                f"{self.predicted_arena_bytes}"
            )
        if self.writes_below_arena:
            found.append("bytes before the arena are written")
        if self.reads_uninitialised:
            found.append("the output depends on what the arena held before")
        if self.wrong_codes:
            found.append(f"{self.wrong_codes} calls return another code than the header says")
        if self.refused_writes:
            found.append(f"calls that return an error have written {self.refused_writes} bytes")
        found += [
            f"{figure.name}: expected {figure.predicted} {figure.unit} as predicted, measured "
            f"{'none' if figure.measured is None else figure.measured}"
            for figure in self.figures
            if not figure.agrees
        ]
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the export."""
        return not self.failures

    @property
    def summary(self) -> str:
        """One line: verdict, images, memory."""
        return (
            f"{'verified' if self.passed else 'FAILED'}: {self.identical} of {self.images} images "
            f"identical, {self.measured_arena_bytes} of {self.predicted_arena_bytes} bytes of "
            "arena used"
        )

    def figure(self, name: str) -> Figure:
        """The figure of that name; raises KeyError where there is none."""
        return {figure.name: figure for figure in self.figures}[name]


_ADAPTER: TypeAdapter[dict[str, Certificate]] = TypeAdapter(dict[str, Certificate])


def read_certificates(folder: Path) -> Mapping[str, Certificate]:
    """What is stored in an export, by core; empty if it was never verified.

    Raises:
        ValueError: The file is not one of certificates.
    """
    path = folder / CERTIFICATE_NAME
    return _ADAPTER.validate_json(path.read_bytes()) if path.is_file() else {}


def store_certificate(folder: Path, certificate: Certificate) -> None:
    """Writes a certificate into an export, beside those of the same model on other cores."""
    known = readable_certificates(folder)
    kept = {core: c for core, c in known.items() if c.model_hash == certificate.model_hash}
    _write(folder, kept | {certificate.core: certificate})


def drop_certificate(folder: Path, core: str) -> None:
    """Takes the certificate of a core out of an export; it may not outlive a verification."""
    known = readable_certificates(folder)
    if core in known:
        _write(folder, {name: c for name, c in known.items() if name != core})


def readable_certificates(folder: Path) -> Mapping[str, Certificate]:
    """Those that are stored; none if the file is not one of certificates."""
    try:
        return read_certificates(folder)
    except ValueError:
        return {}


def _write(folder: Path, certificates: Mapping[str, Certificate]) -> None:
    text = _ADAPTER.dump_json(dict(certificates), indent=1)
    (folder / CERTIFICATE_NAME).write_bytes(text + b"\n")
