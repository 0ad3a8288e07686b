"""Sentences to classify, parted into those to train on, those to choose by and those to test with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite.data import rt_polarity, stratified_split, trec, words


@dataclass
class Task:
    """Sentences as lists of words with classes, in three parts that have none in common, and how long to train."""

    train: tuple[list[list[str]], np.ndarray]
    dev: tuple[list[list[str]], np.ndarray]
    test: tuple[list[list[str]], np.ndarray]
    epochs: int


def parted(sentences: list[list[str]], labels: np.ndarray, test: Any, epochs: int) -> Task:
    """A tenth is held out to choose the epoch by."""
    rest, held = stratified_split(labels, 0.1)
    train, dev = (([sentences[k] for k in part], labels[part]) for part in (rest, held))
    return Task(train, dev, test, epochs)


def movie_reviews(fold: int, labels: int | None = None, draw: int = 0) -> Task:
    """rt-polarity without and with its fold of 10 as a test; labels: so many sentences to train on, drawn anew."""
    texts, y, _ = rt_polarity()
    sentences, fold_of = [words(text) for text in texts], np.random.default_rng(0).permutation(len(y)) % 10
    chosen, tested = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
    if labels:
        chosen = np.random.default_rng([fold, draw]).choice(chosen, labels, replace=False)
    test = [sentences[k] for k in tested], y[tested]
    return parted([sentences[k] for k in chosen], y[chosen], test, 15 if labels else 6)


def questions() -> Task:
    """TREC's six classes of questions, the official split."""
    train, test = ((list(map(words, part.texts)), part.labels) for part in trec())
    return parted(*train, test, 10)


def occurring(texts: list[list[str]], sentences: list[list[str]], least: int = 6) -> int:
    """How many sentences of so many words or more stand somewhere in the texts, word for word."""
    wanted: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for sentence in map(tuple, sentences):
        if len(sentence) >= least:
            wanted.setdefault(sentence[:least], set()).add(sentence)
    found = set()
    for text in texts:
        for k, start in enumerate(zip(*(text[i:] for i in range(least)))):
            found |= {s for s in wanted.get(start, ()) if tuple(text[k : k + len(s)]) == s}
    return len(found)
