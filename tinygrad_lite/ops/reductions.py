from __future__ import annotations
import numpy as np
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor
__all__ = ["sum"]
@primitive
def sum(x: Array, axis=None, keepdims=False): return np.sum(x,axis=axis,keepdims=keepdims)
@sum.gradient
def sum_x(g, x_shape, axis, keepdims): return np.broadcast_to(np.expand_dims(g,axis) if axis is not None and not keepdims else g, x_shape)
