"""What the tests against PyTorch share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl

try:
    import torch
except ModuleNotFoundError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="compares with PyTorch, which comes with the extra [torch]")


def to_torch(state: Any) -> Any:
    """A state dict of ours with PyTorch's tensors in it."""
    if isinstance(state, dict):
        return {key: to_torch(value) for key, value in state.items()}
    if isinstance(state, list):
        return [to_torch(value) for value in state]
    return torch.tensor(np.array(state)) if isinstance(state, (tl.Tensor, np.generic)) else state
