"""A progress bar with rate and metrics."""

from __future__ import annotations

import sys
from typing import Any

from examples.common.extras import need


def progress(total: int, name: str, unit: str = "img") -> Any:
    """A tqdm bar over `total` units: `bar.update(n)` moves it, `bar.set_postfix(loss=...)` shows metrics.

    Written to a file instead of a terminal it adds a line every ten seconds.
    """
    terminal = sys.stderr.isatty()
    return need("tqdm").tqdm(
        total=total,
        desc=name,
        unit=unit,
        unit_scale=True,
        mininterval=0.1 if terminal else 10.0,
        dynamic_ncols=terminal,
        leave=True,
    )
