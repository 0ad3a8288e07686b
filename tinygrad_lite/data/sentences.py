"""Data sets of sentences and reviews with a label."""

from __future__ import annotations

import csv
import io
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_lite.data.files import DataError, at_hand, find
from tinygrad_lite.data.parts import TrainDevTest, TrainTest

SENTIMENT = ("negative", "positive")


class Texts(NamedTuple):
    """Texts and what they are: `texts, labels, classes = ...`.

    texts: a list of N strings. labels: int64 (N,). classes: the names of the labels, in their order.
    """

    texts: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Texts({len(self.texts):,} texts, labels={self.labels.dtype}{list(self.labels.shape)}, {self.classes})"


def rt_polarity() -> Texts:
    """Movie reviews, sentence polarity: 5,331 negative sentences (0), then 5,331 positive (1).

    Lower-case, words and punctuation set apart by spaces. There is no official split: Kim (2014) and others use 10-fold
    cross-validation. SST and this set share sentences. 1.2 MB to download.
    Source, licence and citation: `SOURCES["rt-polarity"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """
    parts = [find("rt-polarity", f"rt-polarity.{end}").read_bytes() for end in ("neg", "pos")]
    return _classes([_lines(part) for part in parts], SENTIMENT, 5_331)


def subjectivity() -> Texts:
    """Subjectivity: 5,000 objective sentences (0, from plots of films), then 5,000 subjective (1, from reviews).

    Lower-case, words and punctuation set apart by spaces. No official split. 0.5 MB to download.
    Source, licence and citation: `SOURCES["subjectivity"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    with zipfile.ZipFile(find("subjectivity", "subjectivity.zip")) as archive:
        parts = [archive.read(f"subjectivity/{name}.tok.gt9.5000") for name in ("plot", "quote")]
    return _classes([_lines(part) for part in parts], ("objective", "subjective"), 5_000)


def sst2() -> TrainDevTest[Texts]:
    """The Stanford Sentiment Treebank, whole sentences, negative (0) or positive (1): 6,920, 872 and 1,821.

    The official split, neutral sentences left out. Sentences as written, with capitals. 1 MB to download.
    Source, licence and citation: `SOURCES["sst2"]`.

    Raises DataError where a file is not at hand and can't be downloaded, or is not the right one.
    """

    def part(name: str, n: int) -> Texts:
        return read_csv(find("sst2", f"{name}_binary_sent.csv"), n)

    return TrainDevTest(part("train", 6_920), part("dev", 872), part("test", 1_821))


def trec(fine: bool = False) -> TrainTest[Texts]:
    """TREC question classification: 5,452 questions to train on, 500 to test on, in 6 classes of answers.

    fine: the 50 classes "COARSE:fine" instead. The classes are in alphabetical order. 0.1 MB to download.
    Source, licence and citation: `SOURCES["trec-qc"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    with zipfile.ZipFile(find("trec-qc", "qc.zip")) as archive:
        train, test = (read_questions(archive.read(f"qc/{part}.txt"), fine) for part in ("train", "test"))
    classes = tuple(sorted({name for name, _ in train}))

    def texts(part: list[tuple[str, str]], n: int) -> Texts:
        if len(part) != n:
            raise DataError(f"trec-qc: {len(part)} questions where {n} are expected")
        return Texts([text for _, text in part], np.array([classes.index(name) for name, _ in part]), classes)

    return TrainTest(texts(train, 5_452), texts(test, 500))


def imdb() -> TrainTest[Texts]:
    """IMDB: 25,000 reviews of films to train on and 25,000 to test on, half negative (0), half positive (1).

    Plain text with capitals and "<br />", 20 to 2,500 words. By number, negative and positive in turn. 84 MB to
    download. Source, licence and citation: `SOURCES["imdb"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one; where only
    the part that `imdb_subset` reads is at hand, the error says so.
    """
    try:
        path = find("imdb", IMDB)
    except DataError as error:
        if at_hand("imdb", IMDB_SUBSET):
            raise DataError(f"{error}\n  imdb_subset() is at hand: 15,000 and 5,000 of the reviews.") from error
        raise
    return read_reviews(path, 12_500, 12_500)


def imdb_subset() -> TrainTest[Texts]:
    """A part of IMDB: 15,000 reviews to train on and 5,000 to test on; as `imdb`.

    They are those numbered 0 to 7,499 and 0 to 2,499 of each class, taken from the whole set where it is at hand, else
    from a file that holds just them, else from the whole set, downloaded. Call results on it "IMDB, subset".

    Raises DataError as `imdb` does.
    """
    path = at_hand("imdb", IMDB) or at_hand("imdb", IMDB_SUBSET) or find("imdb", IMDB)
    return read_reviews(path, 7_500, 2_500)


IMDB = "aclImdb_v1.tar.gz"
IMDB_SUBSET = "aclImdb-slice-20k.tar.gz"


def read_reviews(path: Path, train: int, test: int) -> TrainTest[Texts]:
    """The reviews numbered 0 to train-1 and test-1 of both classes in an archive of PART/CLASS/NUMBER_RATING.txt."""
    wanted = {"train": train, "test": test}
    found: dict[str, dict[tuple[int, int], str]] = {"train": {}, "test": {}}
    with tarfile.open(path) as archive:
        for member in archive:
            match = re.fullmatch(r"aclImdb/(train|test)/(neg|pos)/(\d+)_\d+\.txt", member.name)
            if match and int(match[3]) < wanted[match[1]]:
                file = archive.extractfile(member)
                assert file is not None
                found[match[1]][int(match[3]), int(match[2] == "pos")] = file.read().decode("utf-8")

    def part(name: str) -> Texts:
        reviews = found[name]
        if len(reviews) != 2 * wanted[name]:
            raise DataError(
                f"imdb: {path} holds {len(reviews)} of the reviews to {name} where {2 * wanted[name]} are expected"
            )
        keys = sorted(reviews)
        return Texts([reviews[key] for key in keys], np.array([label for _, label in keys]), SENTIMENT)

    return TrainTest(part("train"), part("test"))


def read_csv(path: Path, n: int) -> Texts:
    """The `n` sentences of a CSV file with the columns label (0 or 1) and sentence."""
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
    if len(rows) != n:
        raise DataError(f"{path} holds {len(rows)} sentences where {n} are expected")
    return Texts([row["sentence"] for row in rows], np.array([int(row["label"]) for row in rows]), SENTIMENT)


def read_questions(content: bytes, fine: bool) -> list[tuple[str, str]]:
    """(class, question) of the lines "COARSE:fine question"."""
    pairs = [line.split(" ", 1) for line in _lines(content)]
    return [(name if fine else name.partition(":")[0], text) for name, text in pairs]


def _lines(content: bytes) -> list[str]:
    """The lines of a file in Latin-1, without the spaces around them. They end in a newline and nothing else."""
    return [line.strip() for line in content.decode("latin-1").rstrip("\n").split("\n")]


def _classes(parts: Iterable[list[str]], classes: tuple[str, ...], n: int) -> Texts:
    """Texts of one class after the other, `n` of each."""
    parts = list(parts)
    if any(len(part) != n for part in parts):
        raise DataError(f"{classes}: {[len(part) for part in parts]} sentences where {n} of each are expected")
    return Texts([text for part in parts for text in part], np.repeat(np.arange(len(parts)), n), classes)
