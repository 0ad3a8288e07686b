"""How a file of a data set is found.

A file is looked for in the folder that the environment variable TINYGRAD_LITE_DATA names, then in the
user's cache folder, and else downloaded there (extra: pip install tinygrad_lite[examples]). It is used
only if its sha256 is the expected one.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from tinygrad_lite.data.sources import SOURCES, Source

HOW_TO_INSTALL = "pip install tinygrad_lite[examples]"


class DataError(RuntimeError):
    """A file of a data set is missing and could not be downloaded, or is not the right one."""


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
    source = _source(name, file)
    return at_hand(source, file) or _download(source, file, _folders(source))


def at_hand(name: str | Source, file: str) -> Path | None:
    """The path of a file of a data set if it is on this machine; None where `find` would download it.

    Raises DataError for a file whose sha256 is wrong.
    """
    source = _source(name, file)
    for folder in _folders(source):
        path = folder / file
        if path.exists():
            _check(path, source, file)
            return path
    return None


def _source(name: str | Source, file: str) -> Source:
    """The data set that is meant, if it has such a file."""
    if isinstance(name, str) and name not in SOURCES:
        raise ValueError(f"find: there is no data set {name!r}; there are {', '.join(SOURCES)}")
    source = SOURCES[name] if isinstance(name, str) else name
    if file not in source.files:
        raise ValueError(f"find: {source.name} has no file {file!r}; it has {', '.join(source.files) or 'none'}")
    return source


def _folders(source: Source) -> list[Path]:
    """Where the files of a data set are looked for."""
    given = os.environ.get("TINYGRAD_LITE_DATA")
    return [*([Path(given) / source.name] if given else []), cache_folder() / source.name]


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
    for url in source.addresses(file):
        get = pooch.HTTPDownloader(progressbar=bar, timeout=15)
        try:
            # pooch writes to a temporary file, compares the sha256, and only then gives it its name.
            path = pooch.retrieve(url, f"sha256:{source.files[file]}", fname=file, path=folders[-1], downloader=get)
            return Path(path)
        except Exception as error:
            reasons.append(f"{url}: {type(error).__name__}: {str(error)[:160]}")
    raise DataError(_help(source, file, folders, reasons))


def _help(source: Source, file: str, folders: list[Path], reasons: list[str]) -> str:
    """What to do about a file that could not be had."""
    addresses = "\n".join(f"    {url}" for url in source.addresses(file))
    places = "\n".join(f"    {folder}" for folder in folders)
    if not os.environ.get("TINYGRAD_LITE_DATA"):
        places += f"\n    $TINYGRAD_LITE_DATA/{source.name} (the variable is not set)"
    tried = "\n".join(f"    {reason}" for reason in reasons)
    where = f"Download it from one of\n{addresses}" if addresses else "It is a part of the set that has no address."
    return (
        f"{source.name}: {file} is not on this machine and could not be downloaded.\n"
        f"  {where}\n"
        f"  (sha256 {source.files[file]})\n"
        f"  and put it into one of the folders\n{places}\n"
        f"  What was tried:\n{tried or '    nothing'}"
    )
