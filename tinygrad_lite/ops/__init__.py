"""The operations, a file a family: each value with its gradient rules beside it."""

from tinygrad_lite.ops import numpy_protocol as numpy_protocol
