"""word2vec: words as vectors that predict their neighbours, by skip-gram and CBOW with negative sampling.

Claim (Mikolov, Chen, Corrado and Dean 2013, arXiv:1301.3781; Mikolov et al., NIPS 2013, arXiv:1310.4546): running text
alone gives vectors in which alike words are near and relations are differences: king - man + woman is near queen.
Skip-gram predicts each word of a window from the one in its middle, CBOW the middle from the mean of the others. In
place of a softmax over all words the right one is told from K that are drawn from noise, p(w) ~ count(w)^0.75:

    loss = - log s(u_w . h) - sum_k log s(-u_k . h),     s(x) = 1 / (1 + e^-x)

h is the vector v of the middle word, or the mean v of the others; the v are kept, the u thrown away. Leaving frequent
words out, each time with probability 1 - sqrt(t / share), is said to be faster and no worse.

Shown: on 5 million words (a sample of Wikipedia, WikiText-2's valid and test parts, an IMDB subset) both are trained
and judged by the order of WordSim353's pairs and by the analogies. --quick has a generated language of 300 words whose
topics and forms are known; --text8 takes all of text8, with higher gates.

Simplified: 100 dimensions, windows of 1 to 5 drawn for each word anew each time, K = 5, three passes, 30,000 words. In
place of a falling rate Adagrad has one rate a word: summed over batches of 1,024, gradients of frequent words are too
large, of rare ones too small (loss after a pass through the Wikipedia part: 2.93 with one rate, 2.56 so).

What came out: so few words tell which are alike (rho 0.47; factored counts 0.42), but few analogies (3.6%, paper 59%),
and skip-gram more than CBOW, also syntactic ones, unlike the paper. To leave frequent words out is faster and better.

    python -m examples word2vec            four variants, three seeds
    python -m examples word2vec --quick    the generated language
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, progress, recalled, spread, vectors
from examples.common.languages import topics_and_forms, topics_and_forms_found
from examples.common.noise import Noise
from tinygrad_lite.data import Vocabulary, imdb_subset, text8, wikipedia_sample, wikitext2, words

ABOUT = About(
    summary="Vectors of words by skip-gram and CBOW with negative sampling",
    paper="Mikolov et al. 2013, arXiv:1301.3781, 1310.4546",
    minutes=52,
    quick_minutes=0.5,
)

WINDOW, NEGATIVES, BATCH, LR = 5, 5, 1_024, 0.1
percent = "{:.1%}".format


@dataclass(frozen=True)
class Method:
    """cbow: predict a word from the mean of its neighbours, else each neighbour from it. t: of leaving out words."""

    cbow: bool = False
    t: float = 1e-4
    passes: int = 3


METHODS = {
    "skip-gram": Method(),
    "CBOW": Method(cbow=True),
    "one pass": Method(passes=1),
    "one pass, all words": Method(passes=1, t=1.0),
}
QUICK = {name: Method(cbow=name == "CBOW", t=1.0, passes=1) for name in ("skip-gram", "CBOW")}

# --------------------------------------------------------------------------- data


def real_texts(all_of_text8: bool) -> list[list[str]]:
    """Texts as lists of words in lower case."""
    if all_of_text8:
        return [text8().split()]
    pieces = [w for part in ("valid", "test") for w in wikitext2(part).split("\n")]
    return [words(text) for text in [*wikipedia_sample(), *pieces, *imdb_subset().train.texts]]


def neighbours(ids: np.ndarray, texts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The places of each word's neighbours, (N, 2 WINDOW), -1 for none: within a reach drawn from 1 to WINDOW."""
    offsets = np.delete(np.arange(-WINDOW, WINDOW + 1), WINDOW)
    places = np.arange(len(ids))[:, None] + offsets
    inside = (places >= 0) & (places < len(ids)) & (abs(offsets) <= rng.integers(1, WINDOW + 1, size=(len(ids), 1)))
    inside &= texts[np.clip(places, 0, len(ids) - 1)] == texts[:, None]
    return np.where(inside, places, -1)


def examples_of(ids: np.ndarray, texts: np.ndarray, cbow: bool, keep: np.ndarray, rng: np.random.Generator) -> tuple:
    """Of a stretch of text, in random order: the words given (N, C), their shares in h, the word to predict (N,)."""
    chosen = rng.random(len(ids)) < keep[ids]
    ids, texts = ids[chosen], texts[chosen]
    near = neighbours(ids, texts, rng)
    if cbow:
        centre = np.flatnonzero((near >= 0).any(1))
        given, target, share = ids[near[centre]], ids[centre], (near[centre] >= 0).astype(np.float32)
    else:
        centre, side = np.nonzero(near >= 0)
        given, target, share = ids[centre, None], ids[near[centre, side]], np.ones((len(centre), 1), np.float32)
    order = rng.permutation(len(target))
    return given[order], (share / share.sum(1, keepdims=True))[order], target[order]


# --------------------------------------------------------------------------- model


def loss(v: tl.Tensor, u: tl.Tensor, given: np.ndarray, share: np.ndarray, asked: np.ndarray) -> tl.Tensor:
    """Negative sampling, summed over the batch. asked (B, 1 + K): the word to predict, then the noise."""
    h = (tl.embedding(given, v) * share[..., None]).sum(1)
    scores = (tl.embedding(asked, u) * h[:, None]).sum(2)
    sign = np.append(1, -np.ones(asked.shape[1] - 1)).astype(np.float32)
    return -tl.logsigmoid(scores * sign).sum()


class Table:
    """A vector for each word. `sums`: for each, the mean squares of all its gradients so far."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.sums = rows, np.zeros((len(rows), 1), rows.dtype)

    def descend(self, used: np.ndarray, g: np.ndarray, lr: float) -> None:
        """Adagrad with one rate a row, for the rows that were used: w <- w - lr g / sqrt(sum of mean g^2)."""
        self.sums[used] += (g * g).mean(1, keepdims=True)
        self.rows[used] -= lr * g / np.sqrt(self.sums[used] + 1e-12)


def step(tables: tuple[Table, Table], given: np.ndarray, share: np.ndarray, asked: np.ndarray, lr: float) -> None:
    """One update, which touches the rows of this batch alone; what a word gets from several places is summed."""
    used, places = zip(*(np.unique(ids, return_inverse=True) for ids in (given, asked)))
    v, u = (tl.tensor(table.rows[k], requires_grad=True) for table, k in zip(tables, used))
    loss(v, u, places[0].reshape(given.shape), share, places[1].reshape(asked.shape)).backward()
    for table, k, part in zip(tables, used, (v, u)):
        table.descend(k, part.grad.numpy(), lr)


# --------------------------------------------------------------------------- training


class Corpus:
    """Texts as one line of word numbers, with the number of its text beside each word; unknown words are left out."""

    def __init__(self, texts: list[list[str]], min_count: int = 5) -> None:
        self.vocabulary = Vocabulary(texts, min_count, 30_000, padding=None, unknown=None)
        lines = [self.vocabulary.encode(text) for text in texts]
        self.ids, self.texts = np.concatenate(lines), np.repeat(np.arange(len(lines)), list(map(len, lines)))


def learn(corpus: Corpus, method: Method, d: int, rng: np.random.Generator, bar: Any) -> Iterator[np.ndarray]:
    """Go through the corpus; yields the vectors v some 20 times a pass or oftener."""
    counts, n = corpus.vocabulary.counts, len(corpus.ids)
    keep = np.minimum(1, np.sqrt(method.t * counts.sum() / counts))
    noise, v = Noise(counts), (rng.random((len(counts), d), np.float32) - 0.5) / d
    tables, stretch = (Table(v), Table(np.zeros_like(v))), min(50_000, n // 20 + 1)
    for start in [start for _ in range(method.passes) for start in range(0, n, stretch)]:
        part = slice(start, start + stretch)
        given, share, target = examples_of(corpus.ids[part], corpus.texts[part], method.cbow, keep, rng)
        for k in range(0, len(target), BATCH):
            asked = target[k : k + BATCH, None]
            asked = np.concatenate([asked, noise.others(rng, asked[:, 0], NEGATIVES)], 1)
            step(tables, given[k : k + BATCH], share[k : k + BATCH], asked, LR * (1 - bar.n / bar.total))
        bar.update(min(stretch, n - start))
        yield v


def train(name: str, seed: int, corpus: Corpus, methods: dict[str, Method], d: int) -> dict[str, Any]:
    """Train vectors; what the tests say of them, five times on the way, and how fast it went."""
    method, curve, idle, began = methods[name], [], 0.0, time.perf_counter()
    total = method.passes * len(corpus.ids)
    with progress(total, f"{name} {seed}", "word") as bar:
        for v in learn(corpus, method, d, np.random.default_rng(seed), bar):
            if bar.n * 5 // total > len(curve):
                before = time.perf_counter()
                result = evaluate(v, corpus.vocabulary)
                curve.append((bar.n, *result["scores"]))
                bar.set_postfix(score=f"{curve[-1][1]:.3f}", refresh=False)
                idle += time.perf_counter() - before
    return {**result, "curve": curve, "speed": total / (time.perf_counter() - began - idle)}


# --------------------------------------------------------------------------- evaluation


def evaluate(v: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
    """What the tests say: of real words WordSim353 and analogies, of the generated ones topics and forms."""
    if "france" not in vocabulary:
        return {"scores": topics_and_forms_found(v, vocabulary, np.random.default_rng(0))}
    sections = vectors.analogy_sections(v, vocabulary)
    scores = vectors.similarity(v, vocabulary), vectors.right(sections)
    return {"scores": scores, "sections": sections, **vectors.shown(v, vocabulary)}


# --------------------------------------------------------------------------- checks


def by_hand(v: np.ndarray, u: np.ndarray, given: np.ndarray, share: np.ndarray, asked: np.ndarray) -> list[np.ndarray]:
    """The gradients of v and u, by the formula and np.add.at: d loss / d score = s(score) - (1 or 0)."""
    h, gradients = (share[..., None] * v[given]).sum(1), [np.zeros_like(v), np.zeros_like(u)]
    error = 1 / (1 + np.exp(-np.einsum("bkd,bd->bk", u[asked], h)))
    error[:, 0] -= 1
    np.add.at(gradients[0], given, share[..., None] * np.einsum("bk,bkd->bd", error, u[asked])[:, None])
    np.add.at(gradients[1], asked, error[..., None] * h[:, None])
    return gradients


def checks(report: Report) -> None:
    """What holds exactly."""
    rng = np.random.default_rng(0)
    counts = np.array([100, 10, 1])
    noise = Noise(counts)
    itself = noise.others(rng, np.zeros(10_000, int), 5) == 0
    report.check("of three words, none is drawn against itself", not itself.any())
    p = np.bincount(noise.alias, 1 - noise.share, 3) + noise.share
    error = np.abs(p / 3 - counts**0.75 / (counts**0.75).sum()).max()
    report.check("the noise is count^0.75", error < 1e-12, f"error {error:.0e}")
    given, asked, share = rng.integers(6, size=(50, 4)), rng.integers(6, size=(50, 6)), rng.random((50, 4))
    tables = Table(rng.normal(size=(6, 5))), Table(rng.normal(size=(6, 5)))
    before = [table.rows.copy() for table in tables]
    gradients = by_hand(*before, given, share, asked)
    wanted = [w - g / np.sqrt((g * g).mean(1, keepdims=True)) for w, g in zip(before, gradients)]
    step(tables, given, share, asked, 1.0)
    error = max(np.abs(table.rows - w).max() for table, w in zip(tables, wanted))
    report.check("a word that comes up often in a batch learns from the sum", error < 1e-9, f"{error:.0e}")
    texts = np.repeat([0, 1], [30_000, 3])
    near, again = (neighbours(np.arange(30_003), texts, rng) for _ in range(2))
    report.check("the window is drawn anew for each word and each time", not np.array_equal(near, again))
    report.check("no window goes beyond its text", near[:30_000].max() < 30_000 and near[30_000:].max() >= 30_000)
    error = np.abs((near[9:29_900, WINDOW:] >= 0).mean(0) - np.arange(WINDOW, 0, -1) / WINDOW).max()
    report.check("at a distance of k a word is seen in (6 - k) / 5 of the windows", error < 0.02, f"error {error:.3f}")
    same = vectors.solved(np.eye(4) + 0.1, np.array([[0, 1, 1], [0, 0, 1]]))
    report.check("an analogy is never answered by one of its words", set(same) <= {2, 3})


# --------------------------------------------------------------------------- the program


def judge(report: Report, found: dict[str, list], base: dict[str, float], quick: bool, larger: bool) -> None:
    """Hold what was measured against what was claimed."""
    scores = {name: np.transpose([r["scores"] for r in runs]).tolist() for name, runs in found.items()}
    rho, known = "{:.3f}".format, f"PPMI {base.get('ppmi', 0):.3f}, random {base.get('random', 0):.3f}"
    first, second = scores["skip-gram"]
    if quick:
        for name, (same, _) in scores.items():
            report.gate(f"{name}: the nearest word is of the same topic", same, 0.90, percent, "", "10%")
        report.gate("skip-gram: analogies of topic and form", second, 0.70, percent, "", "3%")
        report.headline = f"{percent(first[0])} of nearest words of the same topic"
        return
    covered, sections, least = (
        base["covered"],
        found["skip-gram"][0]["sections"],
        (0.5, 0.15) if larger else (0.3, 0.03),
    )
    report.check("at least 85% of WordSim353 is covered", covered >= 300, f"{covered} of 353 pairs")
    report.check("random vectors have no rank correlation with it", abs(base["random"]) < 0.1, f"{base['random']:.3f}")
    told = "; ".join(f"{name} {n}/{known} of {total}" for name, (n, known, total) in sections.items())
    report.check("all 14 sections are scored", len(sections) == 14, told)
    report.gate("skip-gram: rho on WordSim353", first, least[0], rho, "", known)
    paper = recalled("59%")
    report.gate("skip-gram: analogies solved", second, least[1], percent, paper, "< 0.01% (chance)")
    speed = {name: [r["speed"] for r in runs] for name, runs in found.items()}
    faster = np.divide(speed["one pass"], speed["one pass, all words"])
    report.gate("leaving out frequent words: words per second", faster, 1.3, "{:.2f}x".format, recalled("2-10x"))
    lost = np.subtract(scores["one pass, all words"][0], scores["one pass"][0])
    report.gate("leaving out frequent words: rho that is lost", lost, None, rho, "", "one pass", at_most=0.03)
    for kind, paper, word in (("semantic", "55% and 24%", "above"), ("syntactic", "59% and 64%", "not above")):
        ours = [[vectors.right(r["sections"], kind) for r in found[name]] for name in ("skip-gram", "CBOW")]
        holds = (np.mean(ours[0]) > np.mean(ours[1])) == (word == "above")
        told = " and ".join(spread(values, percent) for values in ours)
        report.claim(f"skip-gram is {word} CBOW, {kind} analogies", holds, told, "", recalled(paper))
    report.headline = f"rho {spread(first, rho)} on WordSim353, {spread(second, percent)} of analogies"


def draw(found: dict[str, list], quick: bool) -> Any:
    """Pairs of words in a plane, and the two scores against the words seen."""
    names = ("nearest of the same topic", "analogies") if quick else ("rho on WordSim353", "analogies solved")
    runs = {name: np.array([r["curve"] for r in runs]) for name, runs in found.items() if "one pass" not in name}
    figure, axes = figures.panels(*names, *([] if quick else ["Countries and capitals"]))
    for k, (panel, name) in enumerate(zip(axes, names), 1):
        values = {method: curve[..., k] for method, curve in runs.items()}
        figures.bands(panel, runs["CBOW"][0, :, 0] / 1e6, values, "million words seen", name)
    if not quick:
        vectors.draw_pairs(axes[2], *(found["skip-gram"][0][what] for what in ("words", "plane")))
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    parser = command_line("word2vec", __doc__ or "")
    parser.add_argument("--text8", action="store_true", help="learn from all of text8, 17 million words")
    args = parser.parse_args(argv)
    methods, d = (QUICK, 32) if args.quick else (METHODS, 100)
    with Experiment(__file__, args, {"d": d, **{name: asdict(m) for name, m in methods.items()}}) as run:
        checks(run.report)
        corpus = Corpus(topics_and_forms(150_000) if run.quick else real_texts(args.text8))
        base = run.unit("baselines", vectors.baselines, corpus, WINDOW) if not run.quick else {}
        found = run.over_seeds(train, list(methods), corpus, methods, d)
        judge(run.report, found, base, run.quick, args.text8)
        run.figure(draw(found, run.quick), "figure", "word2vec while it learns, mean ± sd of the seeds")
    return run.exit_code
