"""Certificate: what a verification measured, beside what was predicted."""

from dataclasses import dataclass

from pydantic import TypeAdapter


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

    def to_json(self) -> str:
        """Indented JSON."""
        return _ADAPTER.dump_json(self, indent=1).decode() + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> "Certificate":
        """Reads ``to_json``'s text; raises ValueError where it is not a certificate."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Certificate)
