"""Data sets of pictures."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_lite.data.files import HOW_TO_INSTALL, DataError, find


class Images(NamedTuple):
    """Pictures and what they show: `images, labels = ...`.

    images: float32 (N, C, H, W), from 0 to 1. labels: int64 (N,).
    """

    images: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        i, n = self.images, self.labels
        return f"Images(images={i.dtype}{list(i.shape)}, labels={n.dtype}{list(n.shape)})"


class TrainTest(NamedTuple):
    """A data set that its authors have split: `train, test = ...`."""

    train: Images
    test: Images


def digits() -> Images:
    """1,797 handwritten digits, 8 x 8, that come with scikit-learn (extra: tinygrad_lite[examples]).

    images float32 (1797, 1, 8, 8): 0 for paper to 1 for ink, in steps of 1/16. labels int64 (1797,):
    0 to 9, some 180 of each. There is no official split; see `stratified_split`.
    Source, licence and citation: `SOURCES["digits"]`.

    Raises ImportError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(f"digits: needs scikit-learn, which is not installed: {HOW_TO_INSTALL}") from error
    pixels, labels = load_digits(return_X_y=True)
    return Images((pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels.astype(np.int64))


def mnist() -> TrainTest:
    """MNIST: 60,000 handwritten digits to train on and 10,000 to test on, 28 x 28.

    images float32 (60000, 1, 28, 28) and (10000, 1, 28, 28): 0 for paper to 1 for ink, in steps of
    1/255 (188 MB and 31 MB in memory). labels int64, 0 to 9. 11.6 MB to download.
    Source, licence and citation: `SOURCES["mnist"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """

    def part(name: str, n: int) -> Images:
        pixels = read_idx(find("mnist", f"{name}-images-idx3-ubyte.gz"), (n, 28, 28))
        labels = read_idx(find("mnist", f"{name}-labels-idx1-ubyte.gz"), (n,))
        return Images(pixels[:, None] / np.float32(255), labels.astype(np.int64))

    return TrainTest(part("train", 60_000), part("t10k", 10_000))


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array of a file in MNIST's idx format: 0, 0, 8, ndim, the sizes as big-endian int32, the bytes."""
    content = gzip.decompress(path.read_bytes())
    start = 4 + 4 * len(shape)
    found = tuple(int(n) for n in np.frombuffer(content, ">i4", len(shape), offset=4))
    if content[:4] != bytes([0, 0, 8, len(shape)]) or found != shape:
        raise DataError(f"{path} holds {found} where {shape} is expected")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
