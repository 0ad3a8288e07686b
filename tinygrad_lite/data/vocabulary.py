"""Words, and their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

WORD = re.compile(r"[^\W_]+(?=n't)|n't|'(?:s|m|re|ve|d|ll)\b|[^\W_]+(?:-[^\W_]+)*|[^\w\s]|_")


def words(text: str) -> list[str]:
    """The words and signs of a text, in lower case; "n't", "'s" and the like are words of their own.

    >>> from tinygrad_lite.data import words
    >>> words("It's no well-made film; I didn't like it!")
    ['it', "'s", 'no', 'well-made', 'film', ';', 'i', 'did', "n't", 'like', 'it', '!']
    """
    return WORD.findall(text.lower())


class Vocabulary:
    """Words and their numbers: the special ones, then the others, the commonest first, those as common by alphabet.

    sentences  each a sequence of words (characters, if it is a string)
    min_count  words that are rarer are unknown
    max_size   at most so many words, the special ones included
    padding    the word that fills up, number 0; None: there is none
    unknown    the word that stands for all that are not in it; None: they are left out

    `words` is the list of words, `counts` (int64) how often each came in the sentences.

    >>> from tinygrad_lite.data import Vocabulary
    >>> v = Vocabulary([["a", "b", "a"], ["c", "a", "b"]], min_count=2)
    >>> v.words, v.counts.tolist()
    (['<pad>', '<unk>', 'a', 'b'], [0, 1, 3, 2])
    >>> v.encode(["b", "z", "a"]), v.decode([3, 2])
    (array([3, 1, 2]), ['b', 'a'])
    """

    def __init__(
        self,
        sentences: Iterable[Iterable[str]],
        min_count: int = 1,
        max_size: int | None = None,
        padding: str | None = "<pad>",
        unknown: str | None = "<unk>",
    ) -> None:
        found = Counter(word for sentence in sentences for word in sentence)
        special = [word for word in (padding, unknown) if word is not None]
        common = sorted(
            (w for w, n in found.items() if n >= min_count and w not in special), key=lambda w: (-found[w], w)
        )
        self.words = [*special, *common][:max_size]
        self.padding, self.unknown = padding, unknown
        self.index = {word: k for k, word in enumerate(self.words)}
        self.counts = np.array([found[word] for word in self.words], np.int64)
        if unknown is not None:
            self.counts[self.index[unknown]] += found.total() - self.counts.sum()

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words: {', '.join(self.words[:8])}{', ...' if len(self) > 8 else ''})"

    def encode(self, sentence: Iterable[str]) -> np.ndarray:
        """The numbers of words, int64; unknown ones as `unknown`, or left out where that is None."""
        if self.unknown is None:
            numbers = [self.index[word] for word in sentence if word in self.index]
        else:
            other = self.index[self.unknown]
            numbers = [self.index.get(word, other) for word in sentence]
        return np.array(numbers, np.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The words of numbers."""
        return [self.words[int(k)] for k in numbers]

    def pad(self, sentences: Sequence[Iterable[str]], length: int | None = None) -> np.ndarray:
        """The numbers of sentences as int64 (N, length), filled up at the end; longer ones are cut there.

        length: that of the longest, where None.

        Raises ValueError for a vocabulary without padding.
        """
        if self.padding is None:
            raise ValueError("Vocabulary.pad: this vocabulary has no padding word; make it with padding='<pad>'")
        numbers = [self.encode(sentence) for sentence in sentences]
        length = max(map(len, numbers), default=0) if length is None else length
        padded = np.full((len(numbers), length), self.index[self.padding])
        for row, sentence in zip(padded, numbers):
            row[: len(sentence)] = sentence[:length]
        return padded
