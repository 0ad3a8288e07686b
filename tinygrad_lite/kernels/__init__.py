"""Kernels: how fast; the only place that imports numba."""
