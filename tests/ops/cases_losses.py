"""Calls of losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.cases_networks import functional
from tests.ops.spec import SPECS, Call, Spec, arrays

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def reduction(draw: Any, shape: tuple, *also: str) -> str:
    """How to reduce losses of a shape; the mean over nothing is NaN, which can't be compared."""
    return draw(st.sampled_from(["none", "sum"] if 0 in shape else ["none", "sum", "mean", "mean", *also]))


def signs(draw: Any, shape: Any) -> np.ndarray:
    return np.asarray(np.where(draw(hnp.arrays(bool, shape)), 1, -1))


def pair(draw: Any, away_from: tuple[float, ...], spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of a shape whose difference stays away from some numbers."""
    shape = draw(shapes)
    target, difference = draw(arrays(shape)), draw(arrays(shape))
    for kink in away_from:
        difference = np.where(abs(difference - kink) < spread, difference + 2 * spread, difference)
    return np.asarray(target + difference), target


@st.composite
def differences(draw: Any, name: str) -> Call:
    params: dict[str, Any] = {}
    kinks: tuple[float, ...] = (0.0,)
    if name in ("huber_loss", "smooth_l1_loss"):
        width = draw(st.sampled_from([0.5, 1.0]))
        params["delta" if name == "huber_loss" else "beta"] = width
        kinks = (-width, 0.0, width)
        if name == "smooth_l1_loss" and draw(st.booleans()):
            params["beta"], kinks = 0.0, (0.0,)
    x, t = pair(draw, kinks)
    if name != "smooth_l1_loss" and x.size and draw(st.booleans()):
        params["weight"] = draw(arrays(x.shape, 0.5, 2))
    return Call((x, t), params | {"reduction": reduction(draw, x.shape)})


for _name in ("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"):
    SPECS[_name] = Spec(differences(_name), functional(_name))


@st.composite
def divergences(draw: Any) -> Call:
    shape = draw(shapes)
    log_target = draw(st.booleans())
    target = draw(arrays(shape, -3, 0) if log_target else arrays(shape, 0.1, 2))
    by = reduction(draw, shape, *(["batchmean"] if shape else []))
    return Call((draw(arrays(shape)), target), {"reduction": by, "log_target": log_target})


SPECS["kl_div"] = Spec(divergences(), functional("kl_div"))


@st.composite
def counts(draw: Any) -> Call:
    shape = draw(shapes)
    log_input = draw(st.booleans())
    x = draw(arrays(shape) if log_input else arrays(shape, 0.2, 3))
    target = draw(arrays(shape, 0.1, 4, gap=(0.9, 1.1)))
    return Call((x, target), {"log_input": log_input, "full": draw(st.booleans()), "reduction": reduction(draw, shape)})


SPECS["poisson_nll_loss"] = Spec(counts(), functional("poisson_nll_loss"))


@st.composite
def normals(draw: Any) -> Call:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    of_var = draw(st.sampled_from([shape, shape[:-1], (*shape[:-1], 1)]))
    args = (draw(arrays(shape)), draw(arrays(shape)), draw(arrays(of_var, 0.3, 3)))
    return Call(args, {"full": draw(st.booleans()), "reduction": reduction(draw, shape)})


SPECS["gaussian_nll_loss"] = Spec(normals(), functional("gaussian_nll_loss"))


# --------------------------------------------------------------------------------------- margins


def clear(x: np.ndarray, kink: Any) -> np.ndarray:
    """x moved away from a kink."""
    return np.asarray(np.where(abs(x - kink) < 0.1, x + 0.2, x))


@st.composite
def hinges(draw: Any, name: str) -> Call:
    shape = draw(shapes)
    t = signs(draw, shape)
    params: dict[str, Any] = {"reduction": reduction(draw, shape)}
    x = draw(arrays(shape))
    if name != "soft_margin_loss":
        params["margin"] = margin = draw(st.sampled_from([1.0, 0.5]))
        x = clear(x, t * margin if name == "hinge_loss" else margin)
    return Call((x, t), params)


def hinge(x: Any, t: Any, margin: float, reduction: str) -> Any:
    loss = (margin - t * x).clamp(min=0)
    return loss if reduction == "none" else getattr(loss, reduction)()


SPECS["hinge_loss"] = Spec(hinges("hinge_loss"), hinge)
for _name in ("hinge_embedding_loss", "soft_margin_loss"):
    SPECS[_name] = Spec(hinges(_name), functional(_name))


@st.composite
def rankings(draw: Any) -> Call:
    shape = draw(shapes)
    t, x2, margin = signs(draw, shape), draw(arrays(shape)), draw(st.sampled_from([0.0, 0.5]))
    x1 = np.asarray(x2 + clear(draw(arrays(shape)), t * margin))
    return Call((x1, x2, t), {"margin": margin, "reduction": reduction(draw, shape)})


SPECS["margin_ranking_loss"] = Spec(rankings(), functional("margin_ranking_loss"))


@st.composite
def angles(draw: Any) -> Call:
    """Vectors in the plane whose cosine stays away from the margin, and from 1."""
    lead = draw(st.sampled_from([(), (3,), (1,), (0,)]))
    angle, turn = draw(arrays(lead)), draw(arrays(lead, 0.3, 1.3))
    turn = np.where(draw(hnp.arrays(bool, lead)), turn, np.pi - turn)
    length = draw(arrays((2, *lead), 0.5, 2))
    x1, x2 = (np.stack([np.cos(a), np.sin(a)], -1) * s[..., None] for a, s in zip((angle, angle + turn), length))
    params = {"margin": draw(st.sampled_from([0.0, 0.1])), "reduction": reduction(draw, lead)}
    return Call((x1, x2, signs(draw, lead)), params)


SPECS["cosine_embedding_loss"] = Spec(angles(), functional("cosine_embedding_loss"))


@st.composite
def triplets(draw: Any, named: bool) -> Call:
    """Points far enough from one another and from a loss of 0, for the Euclidean and other distances."""
    lead = draw(st.sampled_from([(), (2,), (0,), (2, 1)]))
    anchor = draw(arrays((*lead, 2)))
    positive, negative = anchor + draw(arrays((*lead, 2), 0.2, 1)), anchor - draw(arrays((*lead, 2), 1.3, 2))
    margin = draw(st.sampled_from([0.05, 9.0]))  # all losses are 0, or none
    params: dict[str, Any] = {"margin": margin, "swap": draw(st.booleans()), "reduction": reduction(draw, lead)}
    if named:
        params["p"] = draw(st.sampled_from([1.0, 2.0, 3.0]))
    elif draw(st.booleans()):
        params["distance_function"] = lambda a, b: ((a - b) ** 2).sum(-1)
        params["margin"] = 90.0
    return Call((anchor, positive, negative), params)


SPECS["triplet_margin_loss"] = Spec(triplets(True), functional("triplet_margin_loss"))
SPECS["triplet_margin_with_distance_loss"] = Spec(triplets(False), functional("triplet_margin_with_distance_loss"))


# --------------------------------------------------------------------------------------- classes


@st.composite
def classes(draw: Any, soft: bool = False, smoothing: bool = False) -> Call:
    """(N, C), (N, C, ...) and (C,), with labels to ignore."""
    c = draw(st.integers(1, 4))
    lead = draw(st.sampled_from([(), (2,), (3,), (2, 2), (1, 2, 2)]))
    shape = (lead[0], c, *lead[1:]) if lead else (c,)
    params: dict[str, Any] = {"reduction": reduction(draw, lead)}
    weight = draw(st.one_of(st.none(), arrays((c,), 0.5, 2)))
    if smoothing:
        params["label_smoothing"] = draw(st.sampled_from([0.0, 0.0, 0.1, 1.0]))
    x = draw(arrays(shape))
    if soft:
        return Call((x, draw(arrays(shape, 0.1, 1)), weight), params)
    target = draw(hnp.arrays(np.int64, lead, elements=st.integers(0, c - 1)))
    if draw(st.booleans()):
        params["ignore_index"] = draw(st.sampled_from([-100, 0]))
        target = np.where(draw(hnp.arrays(bool, lead)), target, params["ignore_index"])
        if (target == params["ignore_index"]).all():
            params["reduction"] = "sum"  # a mean over nothing is NaN
    return Call((x, np.asarray(target), weight), params)


SPECS["cross_entropy"] = Spec(
    st.one_of(classes(smoothing=True), classes(smoothing=True), classes(soft=True, smoothing=True)),
    functional("cross_entropy"),
    constant=(2,),
)
SPECS["nll_loss"] = Spec(classes(), functional("nll_loss"), constant=(2,))


@st.composite
def margins(draw: Any) -> Call:
    """Scores whose differences stay away from the margin: multiples of 1/4, and less noise than that."""
    c, lead = draw(st.integers(1, 4)), draw(st.sampled_from([(), (1,), (3,)]))
    x = draw(hnp.arrays(np.float64, (*lead, c), elements=st.integers(-8, 8).map(lambda n: n / 4)))
    x = np.asarray(x + draw(arrays((*lead, c), -1, 1)) * 0.02)
    target = draw(hnp.arrays(np.int64, lead, elements=st.integers(0, c - 1)))
    p, margin = draw(st.sampled_from([1, 2])), draw(st.sampled_from([0.875, 0.125]))
    weight = draw(st.one_of(st.none(), arrays((c,), 0.5, 2)))
    return Call((x, np.asarray(target), p, margin, weight), {"reduction": reduction(draw, lead)})


SPECS["multi_margin_loss"] = Spec(margins(), functional("multi_margin_loss"), constant=(4,))


@st.composite
def projected(draw: Any) -> Call:
    """linear_cross_entropy: what a last layer is given, also at several places."""
    lead, places = draw(st.sampled_from([((), ()), ((3,), ()), ((2,), (2,)), ((1,), (2, 1))]))
    features, c = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    params: dict[str, Any] = {"reduction": reduction(draw, lead), "label_smoothing": draw(st.sampled_from([0.0, 0.2]))}
    if draw(st.booleans()):
        params["linear_bias"] = draw(arrays((c, *places)))
    target = draw(hnp.arrays(np.int64, lead + places, elements=st.integers(0, c - 1)))
    return Call((draw(arrays((*lead, features))), draw(arrays((c, *places, features))), np.asarray(target)), params)


SPECS["linear_cross_entropy"] = Spec(projected(), functional("linear_cross_entropy"))


@st.composite
def several_classes(draw: Any) -> Call:
    """multilabel_margin_loss: labels up to a negative one, whose scores' differences stay away from the margin."""
    c, lead = draw(st.integers(1, 4)), draw(st.sampled_from([(), (1,), (3,)]))
    x = draw(hnp.arrays(np.float64, (*lead, c), elements=st.integers(-8, 8).map(lambda n: n / 3.1)))
    target = draw(hnp.arrays(np.int64, (*lead, c), elements=st.integers(-1, c - 1)))
    return Call((x, target), {"reduction": reduction(draw, lead)})


SPECS["multilabel_margin_loss"] = Spec(several_classes(), functional("multilabel_margin_loss"))


@st.composite
def answers(draw: Any, name: str) -> Call:
    """Yes or no, and anything between, for probabilities or scores; weights that broadcast."""
    shape = draw(shapes)
    if name == "multilabel_soft_margin_loss":
        shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)))
    x = draw(arrays(shape, 0.1, 0.9) if name == "binary_cross_entropy" else arrays(shape))
    params: dict[str, Any] = {"reduction": reduction(draw, shape)}
    broadcast = st.sampled_from([shape, shape[-1:]])
    if draw(st.booleans()):
        params["weight"] = draw(arrays(draw(broadcast), 0.5, 2))
    if name == "binary_cross_entropy_with_logits" and draw(st.booleans()):
        params["pos_weight"] = draw(arrays(draw(broadcast), 0.5, 2))
    return Call((x, draw(arrays(shape, 0.1, 0.9))), params)


def with_weight(name: str) -> Any:
    """PyTorch's function, which has no gradient of a weight, without it; and the weight afterwards."""

    def call(x: Any, t: Any, weight: Any = None, pos_weight: Any = None, reduction: str = "mean") -> Any:
        from torch.nn import functional as F

        if pos_weight is None:
            loss = getattr(F, name)(x, t, reduction="none")
        else:
            loss = (1 - t) * F.softplus(x) + t * pos_weight * F.softplus(-x)
        loss = loss if weight is None else loss * weight
        return loss if reduction == "none" else getattr(loss, reduction)()

    return call


for _name in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
    SPECS[_name] = Spec(answers(_name), with_weight(_name))
_name = "multilabel_soft_margin_loss"
SPECS[_name] = Spec(answers(_name), functional(_name))


# ------------------------------------------------------------------------------------- sequences


@st.composite
def transcripts(draw: Any) -> Call:
    """ctc_loss: sequences of different lengths, with repeated labels, in rows or one after the other."""
    batch, c, steps = draw(st.integers(1, 3)), draw(st.integers(2, 3)), draw(st.integers(1, 5))
    blank = draw(st.integers(0, c - 1))
    labels = st.lists(st.sampled_from([k for k in range(c) if k != blank]), max_size=3)
    rows = [draw(labels) for _ in range(batch)]
    below = draw(st.booleans())
    target = [(row + [0, 0, 0])[:3] for row in rows] if below else [label for row in rows for label in row]
    frames = tuple(draw(st.integers(1, steps)) for _ in rows)
    params = {"blank": blank, "reduction": draw(st.sampled_from(["none", "sum", "mean"])), "zero_infinity": True}
    return Call((draw(arrays((steps, batch, c))), np.array(target, np.int64), frames, tuple(map(len, rows))), params)


def ctc_of_scores(x: Any, *args: Any, **params: Any) -> Any:
    return functional("ctc_loss")(x.log_softmax(-1), *args, **params)


SPECS["ctc_loss"] = Spec(transcripts(), ctc_of_scores)
