"""Data sets of rows and columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_lite.data.files import DataError, find
from tinygrad_lite.data.parts import TrainTest


class Table(NamedTuple):
    """Columns by name, and what is to be told from them: `columns, labels = ...`.

    columns: arrays of N, int64 for numbers and str for categories. labels: int64 (N,).
    """

    columns: dict[str, np.ndarray]
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"Table({len(self.labels):,} rows of {', '.join(self.columns)})"


ADULT = {
    "age": int, "workclass": str, "fnlwgt": int, "education": str, "education-num": int, "marital-status": str,
    "occupation": str, "relationship": str, "race": str, "sex": str, "capital-gain": int, "capital-loss": int,
    "hours-per-week": int, "native-country": str,
}  # fmt: skip
"""The columns of Adult, and whether they hold numbers or categories."""


def adult() -> TrainTest[Table]:
    """Adult (census income): 32,561 people to train on and 16,281 to test on, 14 columns.

    labels: 1 for an income above 50,000 dollars a year (24%). What is not known of somebody is the category
    "?". `fnlwgt` is how many people the row stands for, and tells nothing of its person. 6 MB to download.
    Source, licence and citation: `SOURCES["adult"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """
    train, test = (find("adult", f"adult.{end}").read_text("ascii") for end in ("data", "test"))
    return TrainTest(read_adult(train, 32_561), read_adult(test, 16_281))


def read_adult(text: str, n: int) -> Table:
    """The `n` rows of a file of Adult: 14 values and the income, set apart by commas; comments begin with "|"."""
    rows = [line.split(", ") for line in text.split("\n") if line.strip() and not line.startswith("|")]
    if len(rows) != n or any(len(row) != len(ADULT) + 1 for row in rows):
        raise DataError(f"adult: {len(rows)} rows where {n} of {len(ADULT) + 1} values are expected")
    *values, income = zip(*rows)
    columns = {
        name: np.array(column, np.int64 if kind is int else str) for (name, kind), column in zip(ADULT.items(), values)
    }
    return Table(columns, np.array([answer.rstrip(".") == ">50K" for answer in income], np.int64))
