"""word2vec: the exact checks, a short training, the scores, the traps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from examples import __main__ as program
from examples.common import Report, vectors
from examples.common.languages import topics_and_forms
from examples.common.noise import Noise
from examples.text import word2vec as ex
from tinygrad_lite.data import Vocabulary

for package in ("matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_every_check_holds(tmp_path):
    report = Report("word2vec", tmp_path, {})
    ex.checks(report)
    assert len(report.rows) == 7
    assert [row.claim for row in report.rows if not row.passed] == []


@pytest.mark.parametrize("name", ["skip-gram", "CBOW"])
def test_a_short_training_learns_topics(name):
    corpus = ex.Corpus(topics_and_forms(30_000))
    assert len(corpus.vocabulary) == 300 and len(corpus.ids) == 30_000 and corpus.texts[-1] == 2_999
    result = ex.train(name, 0, corpus, ex.QUICK, 16)
    assert result["scores"][0] > 0.8 and len(result["curve"]) == 5 and result["speed"] > 0


def test_a_quick_run_reports(tmp_path, monkeypatch):
    result = {"scores": [1.0, 0.9], "curve": [[1, 0.5, 0.4], [2, 1.0, 0.9]]}
    monkeypatch.setattr(ex, "train", lambda name, seed, *rest: result)
    ex.train.__name__ = "train"
    assert program.main(["word2vec", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"].startswith("100.0%") and (tmp_path / "figure.png").exists()
    result["scores"] = [1.0, 0.5]
    assert program.main(["word2vec", "--quick", "--out", str(tmp_path)]) == 1


def test_the_gates_of_a_full_run_fail_where_they_must(tmp_path):
    sections = {f"{'gram' if k > 4 else 'x'}{k}": [k, 20, 30] for k in range(14)}

    def run(rho, speed):
        return {"scores": [rho, 0.3], "speed": speed, "sections": sections}

    good = {"skip-gram": [run(0.4, 1)], "CBOW": [run(0.4, 1)], "one pass": [run(0.35, 2.0)],
            "one pass, all words": [run(0.36, 1)]}  # fmt: skip
    base = {"ppmi": 0.4, "random": 0.01, "covered": 330}
    for found, failures in ((good, 0), ({**good, "one pass": [run(0.2, 1.1)], "skip-gram": [run(0.2, 1)]}, 3)):
        report = Report("word2vec", tmp_path, {})
        ex.judge(report, found, base, quick=False, larger=False)
        assert sum(not row.passed for row in report.rows if row.kind != "CLAIM") == failures


# ------------------------------------------------------------------------------------ traps


def test_noise_is_drawn_as_often_as_it_should_be():
    counts = np.array([1000, 200, 50, 7])
    p = counts**0.75 / (counts**0.75).sum()
    drawn = np.bincount(Noise(counts).draw(np.random.default_rng(0), (100, 400)).ravel(), minlength=4) / 40_000
    np.testing.assert_allclose(drawn, p, atol=0.01)


def test_frequent_words_are_left_out_and_rare_ones_are_not():
    ids = np.repeat([0, 1], [9_000, 100])
    _, _, target = ex.examples_of(ids, np.zeros(9_100, int), True, np.array([0.1, 1.0]), np.random.default_rng(0))
    kept = np.bincount(target, minlength=2)
    assert kept[1] == 100 and 800 < kept[0] < 1_000


def test_skip_gram_gives_the_middle_and_cbow_the_mean_of_the_others():
    ids, texts, keep = np.arange(3), np.zeros(3, int), np.ones(3)
    given, share, target = ex.examples_of(ids, texts, False, keep, np.random.default_rng(0))
    assert given.shape[1] == 1 and (share == 1).all() and (given[:, 0] != target).all()
    given, share, target = ex.examples_of(ids, texts, True, keep, np.random.default_rng(0))
    assert sorted(target) == [0, 1, 2] and np.allclose(share.sum(1), 1)
    for row, part, word in zip(given, share, target):
        assert word not in row[part > 0]


def test_only_the_rows_of_a_batch_change():
    tables = ex.Table(np.ones((5, 2))), ex.Table(np.full((5, 2), 0.5))
    ex.step(tables, np.array([[1]]), np.ones((1, 1)), np.array([[2, 3]]), 0.1)
    assert (tables[0].rows != 1).any(1).tolist() == [False, True, False, False, False]
    assert (tables[1].rows != 0.5).any(1).tolist() == [False, False, True, True, False]


def test_ranks_are_correlated_with_ties_sharing_theirs():
    assert vectors.spearman([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)
    assert vectors.spearman([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(
        np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1]
    )


def test_an_analogy_is_a_difference_and_sections_are_counted():
    v = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1], [-1, 0, 0.0]])
    assert vectors.solved(v, np.array([[0, 1, 2]])).tolist() == [3]
    sections = {"capital": [1, 2, 5], "gram1": [3, 4, 4]}
    assert vectors.right(sections) == pytest.approx(4 / 6)
    assert vectors.right(sections, "semantic") == 0.5 and vectors.right(sections, "syntactic") == 0.75


def test_rows_of_mutual_information_are_alike_for_words_in_like_company(monkeypatch):
    words = list("xaxbxaxbycydycyd") * 20
    vocabulary = Vocabulary([words], padding=None, unknown=None)
    pairs = [("a", "b", 9.0), ("a", "c", 1.0), ("c", "d", 8.0), ("b", "d", 2.0)]
    monkeypatch.setattr(vectors, "word_similarity", lambda: pairs)
    ids = vocabulary.encode(words)
    assert vectors.ppmi_similarity(ids, np.zeros(len(ids), int), vocabulary, 1) > 0.8


def test_the_nearest_words_leave_the_word_out():
    vocabulary = Vocabulary([["a", "a", "a", "b", "b", "c"]], padding=None, unknown=None)
    assert vectors.nearest(np.array([[1, 0], [1, 0.1], [0, 1.0]]), vocabulary, "a", 1) == ["b"]
