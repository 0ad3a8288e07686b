"""What is said when an operation fails: its name, what it was given, and where the first NaN came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.autograd import AnomalyError, GradientError
from tinygrad_lite.modes import user_line
from tinygrad_lite.tensor import Tensor

KINDS = (IndexError, TypeError, ValueError, NotImplementedError, ZeroDivisionError)


def explained(error: Exception, name: str, operands: Sequence) -> Exception:
    """The error again, with the operation in front and what it was given behind."""
    text = str(error)
    if isinstance(error, GradientError) or text.startswith(f"{name}:"):
        return error
    given = []
    for a in operands:
        if isinstance(a, (Tensor, np.ndarray)):
            given.append(f"{a.dtype}{list(a.shape)}")
    behind = f" (given {', '.join(given)})" if given and "(given " not in text else ""
    kind = type(error) if type(error) in KINDS else next((k for k in KINDS if isinstance(error, k)), RuntimeError)
    return kind(f"{name}: {text}{behind}")


def check_forward(name: str, arrays: Sequence, out: Any) -> None:
    """Raise for a NaN or Inf that was made here, and not handed in."""

    def finite(a: Any) -> bool:
        return all(map(finite, a)) if isinstance(a, (list, tuple)) else a is None or bool(np.isfinite(a).all())

    if finite(arrays) and not finite(out):
        raise AnomalyError(f"{name} made the first NaN or Inf, at {user_line()}")
