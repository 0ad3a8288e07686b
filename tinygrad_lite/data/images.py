"""Data sets of pictures."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_lite.data.files import HOW_TO_INSTALL, DataError, at_hand, find
from tinygrad_lite.data.parts import TrainTest

CLASSES = {
    "fashion-mnist": (
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}  # fmt: skip
"""The names of the classes, in the order of the labels."""


class Images(NamedTuple):
    """Pictures and what they show: `images, labels = ...`.

    images: float32 (N, C, H, W), from 0 to 1. labels: int64 (N,).
    """

    images: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        i, n = self.images, self.labels
        return f"Images(images={i.dtype}{list(i.shape)}, labels={n.dtype}{list(n.shape)})"


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


def mnist() -> TrainTest[Images]:
    """MNIST: 60,000 handwritten digits to train on and 10,000 to test on, 28 x 28.

    images float32 (60000, 1, 28, 28) and (10000, 1, 28, 28): 0 for paper to 1 for ink, in steps of
    1/255 (188 MB and 31 MB in memory). labels int64, 0 to 9. 11.6 MB to download.
    Source, licence and citation: `SOURCES["mnist"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """
    return _idx_set("mnist")


def fashion_mnist() -> TrainTest[Images]:
    """Fashion-MNIST: 60,000 pictures of clothes to train on and 10,000 to test on, 28 x 28, in 10 classes.

    images float32 (60000, 1, 28, 28) and (10000, 1, 28, 28), from 0 for the background to 1 in steps of
    1/255. labels int64; `CLASSES["fashion-mnist"]` has their names. 30.9 MB to download.
    Source, licence and citation: `SOURCES["fashion-mnist"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """
    return _idx_set("fashion-mnist")


def cifar10() -> TrainTest[Images]:
    """CIFAR-10: 50,000 colour pictures to train on and 10,000 to test on, 32 x 32, in 10 classes.

    images float32 (50000, 3, 32, 32) and (10000, 3, 32, 32): red, green and blue from 0 to 1 in steps of 1/255
    (614 MB and 123 MB in memory). labels int64; `CLASSES["cifar10"]` has their names. 170 MB to download.
    Source, licence and citation: `SOURCES["cifar10"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one; where only
    the part that `cifar10_subset` reads is at hand, the error says so.
    """
    try:
        path = find("cifar10", CIFAR)
    except DataError as error:
        if all(at_hand("cifar10", file) for file in CIFAR_SUBSET):
            raise DataError(f"{error}\n  cifar10_subset() is at hand: 20,000 and 1,000 of the pictures.") from error
        raise
    train, test = _from_tar(path, [f"data_batch_{k}.bin" for k in range(1, 6)]), _from_tar(path, ["test_batch.bin"])
    return TrainTest(cifar_records(train, 5 * CIFAR_BATCH), cifar_records(test, CIFAR_BATCH))


def cifar10_subset() -> TrainTest[Images]:
    """A part of CIFAR-10: its first 20,000 pictures to train on and its first 1,000 to test on; as `cifar10`.

    They are the training batches 1 and 2 and the beginning of the test batch, taken from the whole set where it is at
    hand, else from files that hold just them, else from the whole set, downloaded. Results on it are not
    comparable to those on CIFAR-10, and should be called "CIFAR-10, subset".

    Raises DataError as `cifar10` does.
    """
    pieces = [at_hand("cifar10", file) for file in CIFAR_SUBSET]
    whole = at_hand("cifar10", CIFAR) or (None if all(pieces) else find("cifar10", CIFAR))
    if whole:
        train = _from_tar(whole, ["data_batch_1.bin", "data_batch_2.bin"])
        test = _from_tar(whole, ["test_batch.bin"])[: CIFAR_BATCH // 10 * CIFAR_RECORD]
    else:
        first, second, test = (gzip.decompress(piece.read_bytes()) for piece in pieces if piece)
        train = first + second
    return TrainTest(cifar_records(train, 2 * CIFAR_BATCH), cifar_records(test, CIFAR_BATCH // 10))


def _idx_set(name: str) -> TrainTest[Images]:
    """A data set in the four files of MNIST."""

    def part(file: str, n: int) -> Images:
        pixels = read_idx(find(name, f"{file}-images-idx3-ubyte.gz"), (n, 28, 28))
        labels = read_idx(find(name, f"{file}-labels-idx1-ubyte.gz"), (n,))
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


CIFAR = "cifar-10-binary.tar.gz"
CIFAR_SUBSET = ("data_batch_1.bin.gz", "data_batch_2.bin.gz", "test_batch_first1000.bin.gz")
CIFAR_RECORD = 1 + 3 * 32 * 32
CIFAR_BATCH = 10_000


def cifar_records(content: bytes, n: int) -> Images:
    """The `n` pictures of CIFAR-10's binary format: a byte for the label, then the red, green and blue pixels."""
    if len(content) != n * CIFAR_RECORD:
        raise DataError(f"cifar10: {len(content):,} bytes where {n:,} records of {CIFAR_RECORD:,} are expected")
    records = np.frombuffer(content, np.uint8).reshape(n, CIFAR_RECORD)
    pixels = records[:, 1:].reshape(n, 3, 32, 32)
    return Images(pixels / np.float32(255), records[:, 0].astype(np.int64))


def _from_tar(path: Path, names: Sequence[str]) -> bytes:
    """The content of files of CIFAR-10's archive, one after the other."""
    with tarfile.open(path) as archive:
        parts = []
        for name in names:
            member = archive.extractfile(f"cifar-10-batches-bin/{name}")
            assert member is not None
            parts.append(member.read())
    return b"".join(parts)
