"""keep_freed_memory(): what a training step frees stays with the process for the next one.

By default glibc hands large blocks back to the system as soon as they are free. A training step
frees and takes the same megabytes every few milliseconds, and each page that comes anew from the
system costs as much as the arithmetic on it.
"""

import ctypes
from functools import cache

# From <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK_BYTES = 32 << 20
_KEPT_BYTES = 1 << 30


@cache
def keep_freed_memory() -> bool:
    """Lets the process keep up to 1 GB of freed memory; False where the C library cannot."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES) and kept)
