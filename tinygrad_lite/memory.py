"""Keep freed memory for the next array, for fresh memory is dear: the system maps and clears it page by page.

By default glibc gives blocks of over 128 KB back to the system as soon as they are freed, and asks for them
anew at the next array: the page faults can take several times as long as the arithmetic. `keep` raises the
two thresholds (mallopt(3)), for NumPy and all else in the process, so that freed memory is used again; the
process then stays as large as it ever was. It is done when tinygrad_lite is imported, unless the environment
says `TINYGRAD_LITE_MALLOC=system`; where the C library isn't glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 1 << 30  # bytes: as much as is kept at the end of the heap, and the largest block that is taken from it


def keep() -> bool:
    """Set it; whether that could be done."""
    if not sys.platform.startswith("linux") or os.environ.get("TINYGRAD_LITE_MALLOC") == "system":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))
