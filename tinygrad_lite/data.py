"""Data: batches from arrays, a split that keeps the classes in proportion, and data sets by name.

A data set is found in the folder that the environment variable TINYGRAD_LITE_DATA names, else in the
user's cache folder, else downloaded there (extra: pip install tinygrad_lite[examples]). A file is used
only if its sha256 is the expected one. What is known of each set (addresses, licence, citation) stands
in SOURCES.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Array, Tensor, to_array, wrap

__all__ = [
    "SOURCES",
    "DataError",
    "DataLoader",
    "Images",
    "Source",
    "TrainTest",
    "cache_folder",
    "digits",
    "find",
    "mnist",
    "random_affine",
    "stratified_split",
]

# ------------------------------------------------------------------------------------ batches


class DataLoader:
    """Batches of arrays that belong together: images and labels, say.

    arrays      one or more arrays, Tensors or lists of the same length; item i is the i-th of each
    batch_size  the number of items in a batch; the last batch is shorter where it doesn't divide
    shuffle     a new random order in each epoch
    seed        what the order and the transform's random numbers follow from, with the number of the
                epoch: the same seed gives the same epochs. None: `tl.manual_seed` decides
    drop_last   leave the last batch out where it is shorter
    transform   `transform(*arrays, rng)` is given the arrays of a batch (copies, which it may change)
                and a NumPy Generator, and returns as many arrays: (x, y, rng) -> (x, y)

    Iterating gives a tuple of Tensors a batch, or the Tensor itself where there is one array, and can be
    repeated: each time is an epoch. `len(loader)` is the number of batches. `loader.epoch` counts the
    epochs that were begun; set it to resume a training.

    Raises ValueError for no items, arrays of different lengths or a bad batch size.

    >>> import numpy as np
    >>> from tinygrad_lite.data import DataLoader
    >>> loader = DataLoader(np.arange(5.0), np.arange(5), batch_size=2, shuffle=True, seed=0)
    >>> for x, y in loader:
    ...     print(x, y)
    tensor([3., 2.], dtype=float64) tensor([3, 2])
    tensor([1., 0.], dtype=float64) tensor([1, 0])
    tensor([4.], dtype=float64) tensor([4])
    """

    def __init__(
        self,
        *arrays: Array,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not arrays:
            raise ValueError("DataLoader: got no arrays; pass the data first: DataLoader(images, labels, batch_size=64)")
        self.arrays = tuple(_items(a, k) for k, a in enumerate(arrays))
        lengths = [len(a) for a in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(f"DataLoader: the arrays have {lengths} items; item i of each belongs together")
        if not lengths[0]:
            raise ValueError("DataLoader: the arrays are empty; was the data loaded, or filtered to nothing?")
        try:
            self.batch_size = operator.index(batch_size)
        except TypeError:
            raise TypeError(f"DataLoader: batch_size is a whole number, got {batch_size!r}") from None
        if self.batch_size < 1 or isinstance(batch_size, bool):
            raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
        if transform is not None and not callable(transform):
            raise TypeError(f"DataLoader: transform is a function (x, y, rng) -> (x, y), got {transform!r}")
        self.shuffle, self.seed, self.drop_last, self.transform = shuffle, seed, drop_last, transform
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.arrays[0]), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __repr__(self) -> str:
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.arrays)
        return f"DataLoader({shapes}, batch_size={self.batch_size}, shuffle={self.shuffle}, seed={self.seed})"

    def __iter__(self) -> Iterator[Any]:
        seed, self.epoch = (self.seed, self.epoch), self.epoch + 1
        if self.seed is None and (self.shuffle or self.transform is not None):
            seed = int(tl.generator().integers(1 << 62)), 0
        rng = np.random.default_rng(seed if seed[0] is not None else 0)
        n = len(self.arrays[0])
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        return self._batches(order, rng)

    def _batches(self, order: np.ndarray, rng: np.random.Generator) -> Iterator[Any]:
        for k in range(len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            batch = [a[chosen] for a in self.arrays]  # indexing by an array copies
            tensors = [wrap(a) for a in batch] if self.transform is None else self._transformed(batch, rng)
            yield tensors[0] if len(tensors) == 1 else tuple(tensors)

    def _transformed(self, batch: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        assert self.transform is not None
        changed = self.transform(*batch, rng)
        if len(batch) == 1 and not isinstance(changed, (tuple, list)):
            changed = [changed]
        if not isinstance(changed, (tuple, list)) or len(changed) != len(batch):
            got = f"{len(changed)} values" if isinstance(changed, (tuple, list)) else type(changed).__name__
            raise TypeError(
                f"DataLoader: the transform was given {len(batch)} arrays and must return as many, but returned {got}; "
                "end it with `return x, y`"
            )
        return [tl.tensor(a) for a in changed]


def _items(data: Array, k: int) -> np.ndarray:
    """Argument `k` of a DataLoader as an array of items."""
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "__array__"):
        data = list(data)  # a list, a range, a sequence of one's own
    try:
        array = to_array(data)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"DataLoader: argument {k} is no array of numbers but {type(data).__name__} ({error}); "
            "pass images and labels as separate arrays: DataLoader(images, labels, batch_size=64)"
        ) from None
    if array.ndim == 0:
        raise ValueError(
            f"DataLoader: argument {k} is a single value, {data!r}, and has no items; "
            "the batch size is given by name: DataLoader(images, labels, batch_size=64)"
        )
    return array


# ------------------------------------------------------------------------- splits, augmentation


def stratified_split(labels: Array, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Indices (rest, held_out): `fraction` of the items is held out, the same share of every class.

    labels: N labels of any kind. The split follows from labels, fraction and seed alone. Both results
    are sorted; held_out has round(fraction * N) items, and both have at least one of every class.

    Raises ValueError for a fraction that is not between 0 and 1, and for a class too small to split.

    >>> from tinygrad_lite.data import stratified_split
    >>> rest, held_out = stratified_split([0, 0, 0, 0, 1, 1, 1, 1], fraction=0.25)
    >>> len(rest), len(held_out)
    (6, 2)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"stratified_split: needs N labels, got an array of shape {labels.shape}")
    if not 0 < fraction < 1:
        raise ValueError(f"stratified_split: fraction must be between 0 and 1, got {fraction}")
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        lonely = classes[counts.argmin()]
        raise ValueError(f"stratified_split: class {lonely!r} has one item, which can't be on both sides")
    wanted = counts * fraction
    held = np.clip(np.floor(wanted).astype(int), 1, counts - 1)
    missing = round(float(fraction) * labels.size) - held.sum()
    for k in np.argsort(held - wanted, kind="stable")[: max(missing, 0)]:  # the largest remainders first
        held[k] = min(held[k] + 1, counts[k] - 1)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(labels.size, bool)
    for k in range(len(classes)):
        chosen[rng.permutation(np.flatnonzero(members == k))[: held[k]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


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

    >>> import numpy as np
    >>> from tinygrad_lite.data import random_affine
    >>> random_affine(np.ones((2, 1, 8, 8)), np.random.default_rng(0), rotate=10, shift=1).shape
    (2, 1, 8, 8)
    """
    n, c, h, w = images.shape
    angle, slant = rng.uniform(-1, 1, (2, n)) * [[np.deg2rad(rotate)], [shear]]
    tall, wide = np.exp(rng.uniform(-1, 1, (2, n)) * np.log1p(scale))
    down, right = rng.uniform(-shift, shift, (2, n, 1, 1))
    # Where in the old image (y, x) each pixel of the new one comes from.
    y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    cos, sin = (f(angle)[:, None, None] for f in (np.cos, np.sin))
    tall, wide, slant = (a[:, None, None] for a in (tall, wide, slant))
    old_y = tall * (cos * y - sin * x) + down + (h - 1) / 2
    old_x = wide * (sin * y + cos * x) + slant * y + right + (w - 1) / 2
    # A border of zeros; what lies further out is zero too. Then the four neighbours, weighted.
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
    old_y, old_x = np.clip(old_y + 1, 0, h + 1), np.clip(old_x + 1, 0, w + 1)
    top, left = old_y.astype(np.intp), old_x.astype(np.intp)
    below, beside = (old_y - top).astype(images.dtype)[:, None], (old_x - left).astype(images.dtype)[:, None]
    flat = padded.reshape(n, c, -1)
    corner = (top * (w + 3) + left).reshape(n, 1, h * w)

    def neighbour(step: int) -> np.ndarray:
        return np.take_along_axis(flat, corner + step, axis=2).reshape(n, c, h, w)

    upper = neighbour(0) * (1 - beside) + neighbour(1) * beside
    lower = neighbour(w + 3) * (1 - beside) + neighbour(w + 4) * beside
    return upper * (1 - below) + lower * below


# ---------------------------------------------------------------------------------- data sets


class DataError(RuntimeError):
    """A file of a data set is missing and could not be downloaded, or is not the right one."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    name: that of its folder. urls: addresses that hold its files, the first that answers is taken.
    files: the sha256 of each. licence, citation: as its authors state or ask for.
    """

    name: str
    licence: str
    citation: str
    urls: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


SOURCES = {
    "digits": Source(
        "digits",
        licence="CC BY 4.0 (UCI Machine Learning Repository); the copy in scikit-learn",
        citation="E. Alpaydin, C. Kaynak. Optical recognition of handwritten digits. UCI Machine Learning Repository, "
        "1998. doi:10.24432/C50P49",
    ),
    "mnist": Source(
        "mnist",
        licence="Y. LeCun and C. Cortes hold the copyright; usually given as CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document recognition. "
        "Proc. IEEE 86(11):2278-2324, 1998",
        urls=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        files={
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
}
"""What is known of each data set, by name."""


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
        raise missing_extra("digits", "scikit-learn") from error
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
        pixels = _idx(find("mnist", f"{name}-images-idx3-ubyte.gz"), (n, 28, 28))
        labels = _idx(find("mnist", f"{name}-labels-idx1-ubyte.gz"), (n,))
        return Images(pixels[:, None] / np.float32(255), labels.astype(np.int64))

    return TrainTest(part("train", 60_000), part("t10k", 10_000))


def _idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array of a file in MNIST's idx format: 0, 0, 8, ndim, the sizes as big-endian int32, the bytes."""
    import gzip

    content = gzip.decompress(path.read_bytes())
    start = 4 + 4 * len(shape)
    found = tuple(int(n) for n in np.frombuffer(content, ">i4", len(shape), offset=4))
    if content[:4] != bytes([0, 0, 8, len(shape)]) or found != shape:
        raise DataError(f"{path} holds {found} where {shape} is expected")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# ------------------------------------------------------------------------------- finding files


def cache_folder() -> Path:
    """Where downloaded files are kept: the user's cache folder, as the operating system has it."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinygrad_lite"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tinygrad_lite" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "tinygrad_lite"


def find(name: str | Source, file: str) -> Path:
    """The path of a file of a data set: in $TINYGRAD_LITE_DATA/<set>, in the cache folder, or downloaded there.

    Raises DataError for a file whose sha256 is wrong, and where it is nowhere to be had.
    """
    source = SOURCES[name] if isinstance(name, str) else name
    given = os.environ.get("TINYGRAD_LITE_DATA")
    folders = [Path(given) / source.name] if given else []
    folders.append(cache_folder() / source.name)
    for folder in folders:
        path = folder / file
        if path.exists():
            _check(path, source, file)
            return path
    return _download(source, file, folders)


def _check(path: Path, source: Source, file: str) -> None:
    """Raise DataError where the file isn't the expected one."""
    import hashlib

    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{source.name}: {path} can't be read: {error}") from error
    if found != source.files[file]:
        raise DataError(
            f"{source.name}: {path} is not the file that is expected, and is not used.\n"
            f"  sha256 expected  {source.files[file]}\n"
            f"  sha256 found     {found} ({path.stat().st_size:,} bytes)\n"
            "The download may have been cut short, or an error page was saved in its place. Delete or replace it."
        )


def _download(source: Source, file: str, folders: list[Path]) -> Path:
    """Fetch a file into the last of `folders` from the first address that has it, whole and right or not at all."""
    try:
        import pooch
    except ImportError as error:
        raise DataError(_help(source, file, folders, ["downloading needs pooch: " + HOW_TO_INSTALL])) from error
    try:
        import tqdm  # noqa: F401

        bar = True
    except ImportError:
        bar = False
    reasons = []
    for url in source.urls:
        get = pooch.HTTPDownloader(progressbar=bar, timeout=15)
        try:
            # pooch writes to a temporary file, compares the sha256, and only then gives it its name.
            path = pooch.retrieve(
                url + file, f"sha256:{source.files[file]}", fname=file, path=folders[-1], downloader=get
            )
            return Path(path)
        except Exception as error:
            reasons.append(f"{url}{file}: {type(error).__name__}: {str(error)[:160]}")
    raise DataError(_help(source, file, folders, reasons))


def _help(source: Source, file: str, folders: list[Path], reasons: list[str]) -> str:
    """What to do about a file that could not be had."""
    addresses = "\n".join(f"    {url}{file}" for url in source.urls)
    places = "\n".join(f"    {folder}" for folder in folders)
    if not os.environ.get("TINYGRAD_LITE_DATA"):
        places += f"\n    $TINYGRAD_LITE_DATA/{source.name} (the variable is not set)"
    tried = "\n".join(f"    {reason}" for reason in reasons)
    return (
        f"{source.name}: {file} is not on this machine and could not be downloaded.\n"
        f"  Download it from one of\n{addresses}\n"
        f"  (sha256 {source.files[file]})\n"
        f"  and put it into one of the folders\n{places}\n"
        f"  What was tried:\n{tried}"
    )


HOW_TO_INSTALL = "pip install tinygrad_lite[examples]"


def missing_extra(what: str, package: str) -> ImportError:
    """The error for an optional package that is not installed."""
    return ImportError(f"{what}: needs {package}, which is not installed: {HOW_TO_INSTALL}")
