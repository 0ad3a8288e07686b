"""Running a kernel in one to four threads, however little it has to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tinygrad_lite.kernels import threads


@contextmanager
def spread_over(count: int) -> Iterator[None]:
    """Within it kernels are spread over `count` threads, even the smallest."""
    before = threads.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "WORTHWHILE", 1)
        threads.set_num_threads(count)
        try:
            yield
        finally:
            threads.set_num_threads(before)
