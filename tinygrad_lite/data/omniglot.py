"""Omniglot: characters of many alphabets, each drawn once by 20 people. Needs pillow to read the PNG files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.data.files import HOW_TO_INSTALL, DataError, find


class Characters(NamedTuple):
    """Drawn characters: `images, labels, drawers, names = ...`.

    images: float32 (N, 1, size, size), 0 for paper to 1 for ink. labels: int64 (N,), the character's number.
    drawers: int64 (N,), 0 to 19, who drew it. names: of each character, "Greek/character01".
    """

    images: np.ndarray
    labels: np.ndarray
    drawers: np.ndarray
    names: tuple[str, ...]


class Trial(NamedTuple):
    """A trial of one-shot classification: 20 new characters, drawn once each, and 20 other drawings of them.

    train, test: float32 (20, 1, size, size). labels: int64 (20,), which of `train` each of `test` shows.
    """

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray


def omniglot(size: int = 28) -> tuple[Characters, Characters]:
    """Omniglot: `background, evaluation = omniglot()`, 964 and 659 characters of 30 and 20 alphabets.

    size: of the images, reduced from 105 x 105 by averaging; 28 makes images of 60 MB and 41 MB. The parts have no
    alphabet in common. 15.9 MB to download. Source, licence and citation: `SOURCES["omniglot"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one, ImportError
    without pillow.
    """
    background, evaluation = (
        _characters([find("omniglot", f"images_{p}.zip")], size) for p in ("background", "evaluation")
    )
    return background, evaluation


def omniglot_subset(size: int = 28) -> Characters:
    """The 242 characters of Omniglot's two small background sets, of 8 alphabets; as `omniglot`.

    They are its authors' (background small 1 and 2, for experiments with few alphabets); the 50 characters that
    both sets hold are taken once. All are among the background characters of `omniglot`.
    """
    return _characters([find("omniglot", f"images_background_small{k}.zip") for k in (1, 2)], size)


def omniglot_one_shot(size: int = 28) -> list[Trial]:
    """The 20 trials of one-shot classification of Lake et al. (2015), of characters from the evaluation part.

    Each is 20-way within an alphabet; the share that is right over all 400 is the published measure.
    Raises as `omniglot` does.
    """
    read = _reader(size)
    trials = []
    with zipfile.ZipFile(find("omniglot", "all_runs.zip")) as archive:
        for run in (f"run{k:02}" for k in range(1, 21)):
            pairs = [line.split() for line in archive.read(f"{run}/class_labels.txt").decode().splitlines()]
            known = sorted({train for _, train in pairs})
            train = np.stack([read(archive.read(name)) for name in known])
            test = np.stack([read(archive.read(name)) for name, _ in pairs])
            trials.append(Trial(train, test, np.array([known.index(name) for _, name in pairs])))
    return trials


def _characters(paths: list[Path], size: int) -> Characters:
    """The characters in archives of folder/alphabet/character/NNNN_DD.png, each once, in the order of their names."""
    read = _reader(size)
    drawn: dict[tuple[str, int], np.ndarray] = {}
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            for file in sorted(name for name in archive.namelist() if name.endswith(".png")):
                _, alphabet, character, picture = file.split("/")
                key = f"{alphabet}/{character}", int(picture[:-4].rpartition("_")[2]) - 1
                if key not in drawn:
                    drawn[key] = read(archive.read(file))
    if not drawn:
        raise DataError(f"omniglot: {', '.join(map(str, paths))} hold no characters")
    keys = sorted(drawn)
    names = sorted({name for name, _ in keys})
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number[name] for name, _ in keys])
    return Characters(np.stack([drawn[key] for key in keys]), labels, np.array([who for _, who in keys]), tuple(names))


def _reader(size: int) -> Callable[[bytes], np.ndarray]:
    """A function that makes of a PNG file an image float32 (1, size, size), 1 for ink."""
    if not 1 <= size <= 105:
        raise ValueError(f"omniglot: size is 1 to 105, the side of the original images, got {size}")
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"omniglot: needs pillow, which is not installed: {HOW_TO_INSTALL}") from error

    def read(content: bytes) -> np.ndarray:
        picture: Any = Image.open(io.BytesIO(content)).convert("L")
        if picture.size != (size, size):
            picture = picture.convert("F").resize((size, size), Image.Resampling.BOX)
        return 1 - np.asarray(picture, np.float32)[None] / np.float32(255)

    return read
