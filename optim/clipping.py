"""Clipping: gradients that are too large are made smaller, between `backward` and `step`.

Where the loss has cliffs, as that of a recurrent network, one huge gradient can undo a long training (Pascanu, Mikolov
and Bengio 2013, arXiv:1211.5063). PyTorch has these functions in `torch.nn.utils`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """g <- g min(1, max_norm / (|g| + 1e-6)), for |g| the norm of all gradients as one vector. Returns |g|.

    parameters          Tensors, or one; those without a gradient are left out
    norm_type           p of the p-norm; float('inf') for the largest absolute value
    error_if_nonfinite  raise RuntimeError where |g| is nan or inf, instead of scaling by it

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import clip_grad_norm_
    >>> w = tl.zeros(2, requires_grad=True)
    >>> w.grad = tl.tensor([3.0, 4.0])
    >>> clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad.round(decimals=3)
    tensor([0.6, 0.8])
    """
    parameters = listed(parameters)
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors as one vector: the norm of their norms. 0 for none.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import get_total_norm
    >>> get_total_norm([tl.tensor([3.0]), tl.tensor([[4.0]])])
    tensor(5.)
    """
    p = float(norm_type)
    norms = [np.linalg.norm(t._array.reshape(-1), p) for t in listed(tensors) if t.size]
    total = np.linalg.norm(np.stack(norms), p) if norms else np.float32(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"get_total_norm: the norm of order {norm_type} is {total}, and can't be clipped; look for its "
            "source with tl.detect_anomaly(), or scale by it anyway with error_if_nonfinite=False"
        )
    return tl.tensor(total)


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor | float) -> None:
    """g <- g min(1, max_norm / (total_norm + 1e-6)), where the norm is known."""
    factor = np.minimum(1.0, float(max_norm) / (float(total_norm) + 1e-6))
    for g in gradients(parameters, "clip_grads_with_norm_"):
        g *= g.dtype.type(factor)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """g <- min(max(g, -clip_value), clip_value), each element for itself.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import clip_grad_value_
    >>> w = tl.zeros(2, requires_grad=True)
    >>> w.grad = tl.tensor([3.0, -0.5])
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1. , -0.5])
    """
    for g in gradients(parameters, "clip_grad_value_"):
        np.clip(g, -float(clip_value), float(clip_value), out=g)


def listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def gradients(parameters: Tensor | Iterable[Tensor], name: str) -> list[np.ndarray]:
    """The arrays of all gradients there are, to be written to."""
    with tl.no_grad():
        return [p.grad._writable(name) for p in listed(parameters) if p.grad is not None]
