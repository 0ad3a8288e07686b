"""What vectors of words are judged by: pairs that people find alike, analogies, nearest words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.data import Vocabulary, analogies, word_similarity

CAPITALS = {
    "france": "paris",
    "germany": "berlin",
    "italy": "rome",
    "japan": "tokyo",
    "england": "london",
    "greece": "athens",
    "russia": "moscow",
    "egypt": "cairo",
}
LOOKED_AT = ("france", "music", "physics", "terrible", "three", "quickly")


def unit(v: np.ndarray) -> np.ndarray:
    """The rows at length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """The correlation of ranks; equal values share the mean of their ranks."""
    ranks = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[place])
    return float(np.corrcoef(*ranks)[0, 1])


def known_pairs(vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """WordSim353's pairs of words that are in a vocabulary: numbers (N, 2), and how alike they are (N,)."""
    pairs = [([a.lower(), b.lower()], score) for a, b, score in word_similarity()]
    known = [(vocabulary.encode(pair), score) for pair, score in pairs if all(word in vocabulary for word in pair)]
    numbers, scores = zip(*known)
    return np.array(numbers), np.array(scores)


def similarity(v: np.ndarray, vocabulary: Vocabulary) -> float:
    """Spearman's rho of the vectors' cosines with WordSim353, over the pairs that are known."""
    pairs, scores = known_pairs(vocabulary)
    first, second = unit(v[pairs[:, 0]]), unit(v[pairs[:, 1]])
    return spearman((first * second).sum(1), scores)


def solved(v: np.ndarray, questions: np.ndarray) -> np.ndarray:
    """a is to b as c is to ... (N,): the word nearest to b - a + c that is none of them, for questions (N, 3)."""
    v, answers = unit(v).astype(np.float32), [np.empty(0, int)]
    for k in range(0, len(questions), 500):
        part = questions[k : k + 500]
        a, b, c = v[part].swapaxes(0, 1)
        near = (b - a + c) @ v.T
        np.put_along_axis(near, part, -np.inf, 1)
        answers.append(near.argmax(1))
    return np.concatenate(answers)


def analogy_sections(v: np.ndarray, vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Of each section of the analogies: how many are solved, how many have known words only, how many there are."""
    sections = {}
    for name, questions in analogies().items():
        lower = [[word.lower() for word in question] for question in questions]
        known = [vocabulary.encode(question) for question in lower if all(word in vocabulary for word in question)]
        q = np.array(known, int).reshape(-1, 4)
        sections[name] = [int((solved(v, q[:, :3]) == q[:, 3]).sum()), len(q), len(questions)]
    return sections


def right(sections: dict[str, list[int]], kind: str = "") -> float:
    """The share of the known analogies that is solved: of all, or of the "semantic" or "syntactic" ones."""
    syntactic = {name: name.startswith("gram") for name in sections}
    chosen = [c for name, c in sections.items() if not kind or syntactic[name] == (kind == "syntactic")]
    return sum(n for n, _, _ in chosen) / max(1, sum(known for _, known, _ in chosen))


def nearest(v: np.ndarray, vocabulary: Vocabulary, word: str, n: int = 5) -> list[str]:
    """The n nearest other words by cosine."""
    near = unit(v) @ unit(v[[vocabulary.index[word]]])[0]
    return [w for w in vocabulary.decode(np.argsort(-near)[: n + 1]) if w != word][:n]


def plane(v: np.ndarray) -> np.ndarray:
    """Vectors (N, d) on the two axes along which they vary most, (N, 2)."""
    centred = v - v.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


def shown(v: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
    """Countries and capitals in turn with their places in a plane, and the nearest words of some."""
    names = [w for pair in CAPITALS.items() if all(word in vocabulary for word in pair) for w in pair]
    near = {word: nearest(v, vocabulary, word) for word in LOOKED_AT if word in vocabulary}
    return {"words": names, "plane": plane(unit(v[vocabulary.encode(names)])).round(3), "nearest": near}


def draw_pairs(axes: Any, names: Sequence[str], places: Any) -> None:
    """An arrow from each country to its capital."""
    at = np.array(places)
    for k in range(0, len(at), 2):
        axes.annotate("", at[k + 1], at[k], arrowprops={"arrowstyle": "->", "color": "0.5"})
    for word, (x, y) in zip(names, at):
        axes.text(x, y, word, fontsize=9)
    axes.plot(*at.T, ".", markersize=4)
    axes.set(xlabel="first principal axis", ylabel="second principal axis")


def ppmi_similarity(ids: np.ndarray, texts: np.ndarray, vocabulary: Vocabulary, window: int) -> float:
    """As `similarity`, of rows of positive pointwise mutual information, max(0, log p(w, c) / p(w) p(c)).

    ids: all texts in one line; texts: the number of its text beside each word. Only the rows that are asked for are
    counted.
    """
    pairs, scores = known_pairs(vocabulary)
    wanted, size = np.unique(pairs), len(vocabulary)
    row = np.full(size, -1)
    row[wanted] = np.arange(len(wanted))
    counts: Any = np.zeros(len(wanted) * size)
    for k in range(1, window + 1):
        for w, c in ((slice(k, None), slice(None, -k)), (slice(None, -k), slice(k, None))):
            chosen = (texts[w] == texts[c]) & (row[ids[w]] >= 0)
            counts += np.bincount(row[ids[w][chosen]] * size + ids[c][chosen], minlength=counts.size)
    counts = counts.reshape(len(wanted), size)
    expected = counts.sum(1, keepdims=True) * np.maximum(vocabulary.counts, 1) / vocabulary.counts.sum()
    v = unit(np.log(np.maximum(counts / expected, 1)))
    return spearman((v[row[pairs[:, 0]]] * v[row[pairs[:, 1]]]).sum(1), scores)


def baselines(corpus: Any, window: int) -> dict[str, float]:
    """rho of PPMI rows and, the mean of 20 times, of random vectors; how many of the pairs are known.

    corpus: with `ids` and `texts` as for `ppmi_similarity`, and `vocabulary`.
    """
    vocabulary, rng = corpus.vocabulary, np.random.default_rng(0)
    random = [similarity(rng.normal(size=(len(vocabulary), 100)), vocabulary) for _ in range(20)]
    rows = ppmi_similarity(corpus.ids, corpus.texts, vocabulary, window)
    return {"ppmi": rows, "random": float(np.mean(random)), "covered": len(known_pairs(vocabulary)[0])}
