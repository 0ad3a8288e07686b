from __future__ import annotations
import numpy as np
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor
__all__ = ["reshape", "broadcast_to"]
@primitive
def reshape(x: Array, shape): return np.reshape(x,shape)
@reshape.gradient
def reshape_x(g, x_shape): return np.reshape(g, x_shape)
@primitive
def broadcast_to(x: Array, shape): return np.broadcast_to(x,shape)
@broadcast_to.gradient
def broadcast_to_x(g): return g
