"""Generated languages, of which more is known than of any real one."""

from __future__ import annotations

import numpy as np

from examples.common.vectors import solved, unit
from tinygrad_lite.data import Vocabulary

TOPICS, STEMS, FORMS = "abcdefghij", "0123456789", "xyz"


def topics_and_forms(tokens: int, rng: np.random.Generator) -> list[list[str]]:
    """Sentences of ten words like "b7x": topic b, stem 7, form x. Four words in five keep to the topic of their
    sentence, and four in five to its form; there are 10 topics, 10 stems of each and 3 forms."""
    n = tokens // 10
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
