"""tinygrad_lite: automatic differentiation on NumPy, exact to any order, that reads in an evening."""

from importlib import import_module as _import_module
from typing import Any as _Any

from tinygrad_lite import autograd, memory
from tinygrad_lite.autograd import AnomalyError, GradientError, backward, grad
from tinygrad_lite.modes import (
    detect_anomaly,
    enable_grad,
    is_grad_enabled,
    is_replay,
    no_grad,
    record_lines,
    set_grad_enabled,
)
from tinygrad_lite.tensor import Array, Arrays, Tensor
from tinygrad_lite.primitive import composed, primitive, registry
from tinygrad_lite import ops
from tinygrad_lite.ops.creation import *
from tinygrad_lite.ops.elementwise import *
from tinygrad_lite.ops.selection import *
from tinygrad_lite.ops.rounding import *
from tinygrad_lite.ops.transcendental import *
from tinygrad_lite.ops.trigonometric import *
from tinygrad_lite.ops.special import *
from tinygrad_lite.ops.comparison import *
from tinygrad_lite.ops.piecewise import *
from tinygrad_lite.ops.activations import *
from tinygrad_lite.ops.shapes import *
from tinygrad_lite.ops.joining import *
from tinygrad_lite.ops.rearranging import *
from tinygrad_lite.ops.indexing import *
from tinygrad_lite.ops.gathering import *
from tinygrad_lite.ops.reductions import *
from tinygrad_lite.ops.scans import *
from tinygrad_lite.ops.sorting import *
from tinygrad_lite.ops.products import *
from tinygrad_lite.ops import linalg
from tinygrad_lite.ops.softmax import *
from tinygrad_lite.ops.sparse_maps import *
from tinygrad_lite.ops.convolution import *
from tinygrad_lite.ops.pooling import *
from tinygrad_lite.ops.resampling import *
from tinygrad_lite.ops.networks import *
from tinygrad_lite.ops.normalization import *
from tinygrad_lite.ops.recurrent import *
from tinygrad_lite.ops.losses import *
from tinygrad_lite.ops.losses_classification import *
from tinygrad_lite.ops.losses_sequences import *
from tinygrad_lite.kernels import warmup
from tinygrad_lite.kernels.threads import get_num_threads, set_num_threads
from tinygrad_lite.functional import checkpoint, hessian, hvp, jacobian, jvp, vjp

Tensor._quicken()
memory.keep()

_LAZY = {"data", "io", "layers", "optim", "testing", "save", "load"}


def __getattr__(name: str) -> _Any:
    """`tl.layers`, `tl.optim`, `tl.data`, `tl.testing`, `tl.save`: imported when first used."""
    if name in ("save", "load"):
        value = getattr(_import_module("tinygrad_lite.io"), name)
    elif name in _LAZY:
        value = _import_module(f"tinygrad_lite.{name}")
    else:
        raise AttributeError(f"module 'tinygrad_lite' has no attribute {name!r}")
    globals()[name] = value
    return value
