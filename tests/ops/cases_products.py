"""Calls of matrix products, einsum and their like."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from hypothesis import strategies as st

from tests.ops.spec import SPECS, Call, Spec, arrays

length = st.sampled_from([2, 3, 1, 0])
scale = st.sampled_from([1, 0, 2.5, -1])


@st.composite
def fitting(draw: Any, *shapes: str, **params: Any) -> Call:
    """Operands whose axes are named by letters, "ij": equal letters are equal lengths."""
    sizes = {k: draw(length) for k in "".join(shapes)}
    operands = tuple(draw(arrays(tuple(sizes[k] for k in shape))) for shape in shapes)
    return Call(operands, {k: draw(s) for k, s in params.items()})


@st.composite
def sums(draw: Any, out: str, *shapes: str) -> Call:
    """An operand that broadcasts to `out`, the factors of a product, beta and alpha."""
    sizes = {k: draw(length) for k in "".join(shapes)}
    kept = draw(st.integers(0, len(out)))
    shape = tuple(1 if draw(st.booleans()) else sizes[k] for k in out[kept:])
    operands = tuple(draw(arrays(tuple(sizes[k] for k in factor))) for factor in shapes)
    return Call((draw(arrays(shape)), *operands), {"beta": draw(scale), "alpha": draw(scale)})


@st.composite
def batch_shapes(draw: Any, least: int = 0, most: int = 2) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of leading axes that broadcast."""
    full = draw(st.lists(length, min_size=least, max_size=most))
    return tuple(  # type: ignore[return-value]
        tuple(draw(st.sampled_from([n, 1])) for n in full[draw(st.integers(0, len(full))) :]) for _ in range(2)
    )


@st.composite
def matmuls(draw: Any) -> Call:
    """Vectors, matrices and stacks of them, which broadcast."""
    n, k, m = draw(length), draw(length), draw(length)
    a, b = draw(batch_shapes(least=1))
    left = {"vector": (k,), "matrix": (n, k), "stack": (*a, n, k)}
    right = {"vector": (k,), "matrix": (k, m), "stack": (*b, k, m)}
    x, y = draw(st.sampled_from([(x, y) for x in left for y in right][::-1]))
    return Call((draw(arrays(left[x])), draw(arrays(right[y]))))


@st.composite
def linears(draw: Any) -> Call:
    lead = tuple(draw(st.lists(length, max_size=3)))
    n, m = draw(length), draw(length)
    weight, bias = draw(st.sampled_from([((m, n), (m,)), ((n,), ())]))
    operands = [draw(arrays((*lead, n))), draw(arrays(weight))]
    if draw(st.sampled_from([True, True, False])):
        operands.append(draw(arrays(bias)))
    return Call(tuple(operands))


@st.composite
def einsums(draw: Any) -> Call:
    """Any equation of one to three operands: diagonals, stretched axes, letters of one operand, "..."."""
    sizes = {k: draw(st.integers(0, 3)) for k in "ijkB"}
    free = draw(st.lists(st.integers(1, 2), max_size=2))
    dots = draw(st.booleans())
    parts, operands = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.text("ijkB", max_size=3))
        stretched = {k for k in set(letters) if draw(st.integers(0, 5)) == 0}
        shape = [1 if k in stretched else sizes[k] for k in letters]
        if dots and draw(st.booleans()):
            at = draw(st.integers(0, len(letters)))
            lead = [draw(st.sampled_from([n, 1])) for n in free[draw(st.integers(0, len(free))) :]]
            letters, shape = letters[:at] + "..." + letters[at:], shape[:at] + lead + shape[at:]
        parts.append(letters)
        operands.append(draw(arrays(tuple(shape))))
    equation = ",".join(parts)
    if draw(st.booleans()):
        kept = draw(st.permutations(sorted(set(equation) - set(".,"))))
        output = "".join(kept[: draw(st.integers(0, len(kept)))])
        equation += " -> " + draw(st.sampled_from(["...", ""] if "..." in equation else [""])) + output
    return Call((equation, *operands))


@st.composite
def tensordots(draw: Any) -> Call:
    """Axes paired by number, or by two lists in any order."""
    pairs = draw(st.integers(0, 2))
    shared = [draw(length) for _ in range(pairs)]
    a, b = draw(st.lists(length, max_size=2)), draw(st.lists(length, max_size=2))
    if draw(st.booleans()):
        return Call((draw(arrays((*a, *shared))), draw(arrays((*shared, *b)))), {"dims": pairs})
    x, y = [*enumerate(shared), *((None, n) for n in a)], [*enumerate(shared), *((None, n) for n in b)]
    x, y = draw(st.permutations(x)), draw(st.permutations(y))
    places = ([k for k, _ in z] for z in (x, y))
    dims = tuple([at.index(i) - draw(st.sampled_from([0, len(at)])) for i in range(pairs)] for at in places)
    return Call((draw(arrays(tuple(n for _, n in x))), draw(arrays(tuple(n for _, n in y)))), {"dims": dims})


@st.composite
def inners(draw: Any) -> Call:
    k = draw(length)
    shapes = [draw(st.one_of(st.just(()), st.lists(length, max_size=2).map(lambda s: (*s, k)))) for _ in range(2)]
    return Call(tuple(draw(arrays(s)) for s in shapes))


@st.composite
def krons(draw: Any) -> Call:
    return Call(tuple(draw(arrays(tuple(draw(st.lists(st.integers(0, 2), max_size=3))))) for _ in range(2)))


@st.composite
def crosses(draw: Any, named: bool) -> Call:
    """Vectors in any axis, the others broadcast; the axis named, or the first of length 3."""
    full = draw(st.lists(st.sampled_from([0, 1, 2, 3]), max_size=2))
    axis = draw(st.integers(0, len(full)))
    shapes = []
    for _ in range(2):
        shape = [draw(st.sampled_from([n, 1])) for n in full]
        shapes.append((*shape[:axis], 3, *shape[axis:]))
    rank = len(full) + 1
    if not named:
        first = next(k for k in range(rank) if 3 in (shapes[0][k], shapes[1][k]))
        shapes = [(*s[:first], 3, *s[first + 1 :]) for s in shapes]
    params = {"axis": axis - draw(st.sampled_from([0, rank]))} if named else {}
    return Call(tuple(draw(arrays(s)) for s in shapes), params)


@st.composite
def distances(draw: Any) -> Call:
    """Rows whose coordinates all differ, so that no distance and no |a - b| is at its kink, or tied with another."""
    a, b = draw(batch_shapes(most=1))
    n, m, k = draw(length), draw(length), draw(length)
    x1, x2 = draw(arrays((*a, n, k), unique=True)), draw(arrays((*b, m, k), unique=True))
    params: dict[str, Any] = {"p": draw(st.sampled_from([2.0, 2.0, 2.0, 0.0, 1.0, 1.5, 3.0, float("inf")]))}
    how = draw(st.sampled_from(["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist", None]))
    if how:
        params["compute_mode"] = how
    x2 = x2 * 0.9871 + 0.0113
    return Call(
        (x1, x2 + 7 if how == "use_mm_for_euclid_dist" else x2), params
    )  # a product loses digits of near points


@st.composite
def chains(draw: Any) -> Call:
    """Matrices that fit, with a vector at either end or not."""
    n = [draw(length) for _ in range(draw(st.integers(3, 6)))]
    shapes: list[tuple[int, ...]] = list(itertools.pairwise(n))
    shapes[0] = shapes[0][draw(st.integers(0, 1)) :]
    shapes[-1] = shapes[-1][: draw(st.integers(1, 2))] if len(shapes[-1]) == 2 else shapes[-1]
    return Call(([draw(arrays(s)) for s in shapes],))


def torched(path: str, **words: str) -> Callable:
    """torch.<path>, looked up when it is called; `words` are its names for our parameters."""

    def call(*args: Any, **params: Any) -> Any:
        function = attrgetter(path)(importlib.import_module("torch"))
        return function(*args, **{words.get(k, k): v for k, v in params.items()})

    return call


def torch_addmv(x: Any, mat: Any, vec: Any, **params: Any) -> Any:
    """torch.addmv does not broadcast x to an empty result."""
    return torched("addmv")(x.expand(len(mat)), mat, vec, **params)


def torch_linear(x: Any, weight: Any, bias: Any = 0.0) -> Any:
    """torch's linear takes no bias with a vector for a weight."""
    return torched("nn.functional.linear")(x, weight) + bias


for _name, _calls in {
    "matmul": matmuls(),
    "einsum": einsums(),
    "tensordot": tensordots(),
    "mm": fitting("ij", "jk"),
    "bmm": fitting("bij", "bjk"),
    "mv": fitting("ij", "j"),
    "dot": fitting("i", "i"),
    "vdot": fitting("i", "i"),
    "outer": fitting("i", "j"),
    "inner": inners(),
    "kron": krons(),
    "trace": fitting("ij"),
    "addmm": sums("ik", "ij", "jk"),
    "addbmm": sums("ik", "bij", "bjk"),
    "baddbmm": sums("bik", "bij", "bjk"),
    "cdist": distances(),
    "linalg.multi_dot": chains(),
}.items():
    SPECS[_name] = Spec(_calls, torched(_name))
SPECS["addmv"] = Spec(sums("i", "ij", "j"), torch_addmv)
SPECS["linear"] = Spec(linears(), torch_linear)
SPECS["chain_matmul"] = Spec(chains(), torched("linalg.multi_dot"))
SPECS["cross"] = Spec(st.one_of(crosses(True), crosses(False)), torched("cross", axis="dim"))
SPECS["linalg.cross"] = Spec(crosses(True), torched("linalg.cross", axis="dim"))
