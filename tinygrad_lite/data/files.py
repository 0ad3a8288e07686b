"""Where a data set's files come from, and how one is found.

A file is looked for in the folder that the environment variable TINYGRAD_LITE_DATA names, then in the
user's cache folder, and else downloaded there (extra: pip install tinygrad_lite[examples]). It is used
only if its sha256 is the expected one.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOW_TO_INSTALL = "pip install tinygrad_lite[examples]"


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

    name: one of SOURCES, or a Source of your own.

    Raises DataError for a file whose sha256 is wrong, and where it is nowhere to be had.
    """
    if isinstance(name, str) and name not in SOURCES:
        raise ValueError(f"find: there is no data set {name!r}; there are {', '.join(SOURCES)}")
    source = SOURCES[name] if isinstance(name, str) else name
    if file not in source.files:
        raise ValueError(f"find: {source.name} has no file {file!r}; it has {', '.join(source.files) or 'none'}")
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
