"""Packages that only the examples need."""

from __future__ import annotations

import importlib
from typing import Any

PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}
"""Packages that are installed under another name than they are imported."""


def need(module: str) -> Any:
    """Import a module of the extra [examples]; the error says how to install it."""
    top = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"needs {PACKAGES.get(top, top)}, which is not installed: pip install tinygrad_lite[examples]"
        ) from error
