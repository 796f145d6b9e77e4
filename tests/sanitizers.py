"""Flags under which compiled C stops at undefined behaviour, where the compiler has them."""

from pathlib import Path

import pytest

from sparse_search.deploy.build import compile_c, find_compiler
from sparse_search.errors import VerificationError

_FLAGS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def requires_sanitizers(folder: Path) -> tuple[str, ...]:
    """The flags; skips the test where they do not link. Writes into ``folder``."""
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    try:
        compile_c(find_compiler(), [probe], folder / "probe", flags=_FLAGS)
    except VerificationError:
        pytest.skip("needs the compiler's address and undefined-behaviour sanitizers")
    return _FLAGS
