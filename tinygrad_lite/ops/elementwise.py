from __future__ import annotations
import numpy as np
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["add", "cos", "multiply", "negative", "sin"]
@primitive
def add(x: Array, y: Array): return np.add(x,y)
@add.gradient
def add_x(g): return g
@add.gradient
def add_y(g): return g
@primitive
def multiply(x: Array, y: Array): return np.multiply(x,y)
@multiply.gradient
def multiply_x(g, y): return g*y
@multiply.gradient
def multiply_y(g, x): return g*x
@primitive
def cos(x: Array): return np.cos(x)
@primitive
def negative(x: Array): return np.negative(x)
@negative.gradient
def negative_x(g): return -g
@primitive
def sin(x: Array): return np.sin(x)
@sin.gradient
def sin_x(g, x): return g*np.cos(x)
@cos.gradient
def cos_x(g, x): return -g*np.sin(x)
