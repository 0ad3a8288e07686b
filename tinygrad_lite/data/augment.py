"""Small random changes to a batch of images, for a DataLoader's transform."""

from __future__ import annotations

import numpy as np


def random_affine(
    images: np.ndarray,
    rng: np.random.Generator,
    rotate: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    shift: float = 0.0,
) -> np.ndarray:
    """Each image of (N, C, H, W) turned, scaled, sheared and moved a little at random, by bilinear interpolation.

    rotate: up to so many degrees. scale: each side grows or shrinks by up to this share. shear: up to
    so many columns a row. shift: up to so many pixels, whole or not. What comes in from outside is 0.

    Raises TypeError for images that are not floating-point, ValueError for another shape.

    >>> import numpy as np
    >>> from tinygrad_lite.data import random_affine
    >>> random_affine(np.ones((2, 1, 8, 8)), np.random.default_rng(0), rotate=10, shift=1).shape
    (2, 1, 8, 8)
    """
    if images.dtype.kind != "f":
        raise TypeError(f"random_affine: interpolates and needs floating-point images, got {images.dtype}")
    if images.ndim != 4:
        raise ValueError(f"random_affine: needs a batch of images (N, C, H, W), got shape {images.shape}")
    n, c, h, w = images.shape
    dtype = images.dtype
    angle, slant = rng.uniform(-1, 1, (2, n)) * [[np.deg2rad(rotate)], [shear]]
    tall, wide = np.exp(rng.uniform(-1, 1, (2, n)) * np.log1p(scale))
    down, right = rng.uniform(-shift, shift, (2, n))
    cos, sin = np.cos(angle), np.sin(angle)

    def each(a: np.ndarray) -> np.ndarray:
        return a.astype(dtype)[:, None, None]

    # Where in the old image each pixel of the new one comes from, in one with a border of zeros around it.
    y = np.arange(h, dtype=dtype)[:, None] - (h - 1) / 2
    x = np.arange(w, dtype=dtype) - (w - 1) / 2
    old_y = each(tall * cos) * y - each(tall * sin) * x + each(down + (h + 1) / 2)
    old_x = each(wide * sin + slant) * y + each(wide * cos) * x + each(right + (w + 1) / 2)
    old_y, old_x = np.clip(old_y, 0, h + 1), np.clip(old_x, 0, w + 1)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
    # Its four neighbours there, weighted by how near they are.
    top, left = old_y.astype(np.intp), old_x.astype(np.intp)
    below, beside = (old_y - top.astype(dtype))[:, None], (old_x - left.astype(dtype))[:, None]
    start = np.arange(n * c).reshape(n, c, 1, 1) * ((h + 3) * (w + 3))
    corner = start + (top * (w + 3) + left)[:, None]

    def row(step: int) -> np.ndarray:
        first, second = np.take(padded, corner + step), np.take(padded, corner + step + 1)
        return first + (second - first) * beside

    upper = row(0)
    return upper + (row(w + 3) - upper) * below
