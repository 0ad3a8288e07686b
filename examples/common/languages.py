"""Generated languages, of which more is known than of any real one."""

from __future__ import annotations

import numpy as np

from examples.common.vectors import solved, unit
from tinygrad_lite.data import Vocabulary

TOPICS, STEMS, FORMS = "abcdefghij", "0123456789", "xyz"


def topics_and_forms(tokens: int, seed: int = 0) -> list[list[str]]:
    """Sentences of ten words like "b7x": topic b, stem 7, form x. Four words in five keep to the topic of their
    sentence, and four in five to its form; there are 10 topics, 10 stems of each and 3 forms."""
    n, rng = tokens // 10, np.random.default_rng(seed)
    parts = []
    for names, kept in ((TOPICS, 0.8), (STEMS, 0.0), (FORMS, 0.8)):
        own = rng.random((n, 10)) < kept
        chosen = np.where(own, rng.integers(len(names), size=(n, 1)), rng.integers(len(names), size=(n, 10)))
        parts.append(np.array(list(names))[chosen])
    return np.char.add(np.char.add(parts[0], parts[1]), parts[2]).tolist()


def topics_and_forms_found(v: np.ndarray, vocabulary: Vocabulary, rng: np.random.Generator) -> tuple[float, float]:
    """How often the nearest word is of the same topic, and the answer to an analogy of the right topic and form."""
    topic, form = (np.array([word[k] for word in vocabulary.words]) for k in (0, 2))
    near = unit(v) @ unit(v).T - 2 * np.eye(len(v))
    questions, wanted = [], []
    for _ in range(500):
        (s, t), (f, g) = (rng.choice(list(names), 2, replace=False) for names in (TOPICS, FORMS))
        questions.append([rng.choice(np.flatnonzero((topic == a) & (form == b))) for a, b in ((s, f), (s, g), (t, f))])
        wanted.append((t, g))
    answers = solved(v, np.array(questions))
    right = [(topic[k], form[k]) == want for k, want in zip(answers, wanted)]
    return float((topic[near.argmax(1)] == topic).mean()), float(np.mean(right))


def ordered_topics(n: int, rng: np.random.Generator) -> tuple[list[list[str]], np.ndarray]:
    """n sentences and their classes, 0 to 5: which two of the topics a, b, c come after each other, and in which order.

    Somewhere among 6 to 14 words of the other topics. Without the order of words half can be right.
    """
    pairs = [(s, t) for s in "abc" for t in "abc" if s != t]
    classes, sentences = rng.integers(6, size=n), []
    for k in classes:
        topics = list(rng.choice(list(TOPICS[3:]), rng.integers(6, 15)))
        at = int(rng.integers(len(topics) + 1))
        topics[at:at] = pairs[k]
        sentences.append([t + rng.choice(list(STEMS)) + rng.choice(list(FORMS)) for t in topics])
    return sentences, classes
