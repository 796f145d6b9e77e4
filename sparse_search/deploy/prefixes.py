"""Which names the C of a model may begin with: a prefix is part of file names and of a target."""

import re
from typing import Final

from ..errors import ExportError

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")
# Of the runtime and of the verification's own files.
_OWN = re.compile(r"(ss|harness)(_.*)?|main|verify(_(main|model))?")
_HEADERS: Final = (
    # Of C, in any version of the language.
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn "
    "string tgmath threads time uchar wchar wctype "
    # Of C libraries, whose other headers include them.
    "alloca endian features malloc memory newlib pthread reent sched strings syslimits unistd "
    "xlocale "
    # Of compilers, CMSIS-NN and Arduino; file systems may not tell capitals.
    "arm_acle arm_mve arm_neon arm_nn_compiler arm_nn_math_types arm_nn_types arm_nnfunctions "
    "arm_nnsupportfunctions arduino golden"
)
"""Headers that <prefix>.h would be taken for, separated by spaces."""

_TARGETS: Final = (
    "all clean edit_cache help install list_install_components package package_source preinstall "
    "rebuild_cache test"
)
"""Targets that CMake keeps for itself, separated by spaces."""


def check_prefix(prefix: str) -> None:
    """Raises ExportError where ``prefix`` cannot begin the names of a model.

    >>> check_prefix("wake_word")
    >>> check_prefix("time")
    Traceback (most recent call last):
        ...
    sparse_search.errors.ExportError: expected a prefix that names nothing else, got 'time', ...
    """
    if not _PREFIX.fullmatch(prefix) or _OWN.fullmatch(prefix):
        raise ExportError(
            "expected a prefix of lower-case letters, digits and underscores that starts with a "
            "letter, not with ss_ or harness_, and is neither main, verify, verify_main nor "
            f"verify_model, got {prefix!r}; choose another one"
        )
    header = prefix in _HEADERS.split()
    if header or prefix in _TARGETS.split():
        taken = f"the name of the header {prefix}.h" if header else "a target of CMake's own"
        raise ExportError(
            f"expected a prefix that names nothing else, got {prefix!r}, {taken}; "
            f"choose another one, such as {prefix + '_net'!r}"
        )
