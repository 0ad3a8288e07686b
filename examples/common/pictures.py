"""A digit in a picture file, brought to the form of a data set. Needs pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples.common.extras import need

FINE = 8
"""The digit is placed on a canvas this many times as fine as the data, and averaged down."""


@dataclass(frozen=True)
class Form:
    """How a data set's digits stand in their images.

    size: of the square image, in pixels. box: the height and width that a digit is fitted into. ink: the
    least share of ink; thinner strokes are thickened. by_mass: centred by centre of mass, or by its box.
    """

    size: int
    box: tuple[float, float]
    ink: float
    by_mass: bool


class PictureError(ValueError):
    """A file that shows no digit."""


def read_digit(path: Path, form: Form) -> np.ndarray:
    """The digit in a picture as float32 (1, 1, size, size), 0 for paper and 1 for ink.

    Dark on light and light on dark, colours and transparency are all understood: paper is what lies at the
    border. Raises PictureError for what can't be read or shows nothing.
    """
    ink = _ink(_grey(path), path)
    rows, columns = (np.flatnonzero((ink > 0.35).any(axis)) for axis in (1, 0))
    image = need("PIL.Image")
    digit = image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = min(form.box[0] / digit.height, form.box[1] / digit.width) * FINE
    shape = max(round(digit.width * scale), 1), max(round(digit.height * scale), 1)
    canvas = image.new("F", (form.size * FINE,) * 2)
    canvas.paste(digit.resize(shape, image.Resampling.BILINEAR), tuple((canvas.width - n) // 2 for n in shape))
    array = np.asarray(canvas)
    while array.mean() < form.ink:
        array = _thicker(array)
    if form.by_mass:
        middle = [np.average(np.arange(len(array)), weights=array.sum(axis)) for axis in (1, 0)]
        array = np.roll(array, [round((len(array) - 1) / 2 - m) for m in middle], (0, 1))
    return array.reshape(form.size, FINE, form.size, FINE).mean((1, 3), dtype=np.float32)[None, None]


def _grey(path: Path) -> np.ndarray:
    """The picture as brightness from 0 to 1, reduced to a manageable size."""
    image = need("PIL.Image")
    if not path.is_file():
        raise PictureError(f"there is no file {path}")
    try:
        picture: Any = image.open(path)
        picture = need("PIL.ImageOps").exif_transpose(picture)
        picture.thumbnail((512, 512))
        picture = picture.convert("RGBA")
    except image.UnidentifiedImageError:
        raise PictureError(f"{path} is not a picture (PNG, JPEG, ...)") from None
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise PictureError(f"{path} can't be read: {error}") from error
    grey, opaque = (np.asarray(picture.convert("LA"), np.float32) / 255).transpose(2, 0, 1)
    seen = grey[opaque > 0.5]
    behind = 0.0 if seen.size and seen.mean() > 0.5 else 1.0  # what is transparent contrasts with what is not
    return opaque * grey + (1 - opaque) * behind


def _ink(grey: np.ndarray, path: Path) -> np.ndarray:
    """How far each pixel is from paper, the brightness at the border; 1 for the strongest."""
    paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    ink = paper - grey if paper - grey.min() > grey.max() - paper else grey - paper
    if ink.max() < 0.1:
        raise PictureError(f"{path} shows no digit: it is of one brightness all over")
    ink = np.clip(ink / np.quantile(ink[ink > ink.max() / 2], 0.5), 0, 1)
    return np.where(ink > 0.15, ink, 0).astype(np.float32)


def _thicker(array: np.ndarray) -> np.ndarray:
    """Each pixel the strongest of itself and its four neighbours."""
    padded = np.pad(array, 1)
    shifted = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    return np.maximum.reduce([array, *shifted])


def as_text(image: np.ndarray) -> str:
    """A grey image (H, W) in characters, two a pixel."""
    return "\n".join("".join(" .:-=+*#%@"[round(9 * float(v))] * 2 for v in row) for row in image)


def ranking(probabilities: np.ndarray, names: Sequence[str]) -> str:
    """The classes and their probabilities as lines with bars, the most likely first."""
    order = np.argsort(-probabilities)
    lines = [f"  {names[k]}  {probabilities[k]:6.1%}  {'█' * round(40 * float(probabilities[k]))}" for k in order]
    return "\n".join([f"It says {names[order[0]]}.\n", *(line.rstrip() for line in lines)])
