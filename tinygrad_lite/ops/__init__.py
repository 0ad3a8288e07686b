from tinygrad_lite.ops import numpy_protocol
