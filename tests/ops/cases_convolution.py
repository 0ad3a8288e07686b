"""Calls of convolutions, unfold and fold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ops.spec import SPECS, Call, Spec, arrays

small = st.integers(1, 2)


def per_axis(draw: Any, rank: int, low: int, high: int) -> Any:
    """One number, or a tuple with one for each axis."""
    numbers = st.integers(low, high)
    return draw(st.one_of(numbers, st.tuples(*[numbers] * rank)))


def each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else value


@st.composite
def convolutions(draw: Any, rank: int) -> Call:
    """Any stride, padding, dilation and groups, batched or not, zero-size batch, with and without a bias."""
    groups = draw(small)
    c, o = draw(small), draw(small)
    lead = draw(st.sampled_from([(2,), (1,), (0,), ()]))
    kernel = tuple(draw(st.integers(1, 3 if rank < 3 else 2)) for _ in range(rank))
    params: dict[str, Any] = {"groups": groups, "dilation": per_axis(draw, rank, 1, 2)}
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.just(None)))
    params["padding"] = per_axis(draw, rank, 0, 2) if padding is None else padding
    if padding != "same":
        params["stride"] = per_axis(draw, rank, 1, 3)
    pad = (0,) * rank if isinstance(params["padding"], str) else each(params["padding"], rank)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(each(params["dilation"], rank), kernel, pad)]
    spatial = tuple(n + draw(st.integers(0, 3 if rank < 3 else 1)) for n in least)
    x = draw(arrays((*lead, c * groups, *spatial)))
    w = draw(arrays((o * groups, c, *kernel)))
    return Call((x, w, draw(st.one_of(st.none(), arrays((o * groups,))))), params)


@st.composite
def transposed_convolutions(draw: Any, rank: int) -> Call:
    groups = draw(small)
    c, o = draw(small), draw(small)
    lead = draw(st.sampled_from([(2,), (1,), ()]))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    stride, dilation = per_axis(draw, rank, 1, 3), per_axis(draw, rank, 1, 2)
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(each(stride, rank), each(dilation, rank)))
    spatial = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    room = [
        ((n - 1) * s + d * (k - 1) + e) // 2
        for n, s, d, k, e in zip(spatial, each(stride, rank), each(dilation, rank), kernel, extra)
    ]
    padding = tuple(draw(st.integers(0, min(r, 2))) for r in room)
    x = draw(arrays((*lead, c * groups, *spatial)))
    w = draw(arrays((c * groups, o, *kernel)))
    bias = draw(st.one_of(st.none(), arrays((o * groups,))))
    return Call((x, w, bias, stride, padding, extra, groups, dilation))


@st.composite
def windows(draw: Any, folded: bool) -> Call:
    """Arguments of unfold, and of fold for the same window."""
    lead = draw(st.sampled_from([(2,), (0,), ()]))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(2))
    dilation, padding, stride = (per_axis(draw, 2, low, 2) for low in (1, 0, 1))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(each(dilation, 2), kernel, each(padding, 2))]
    spatial = tuple(n + draw(st.integers(0, 3)) for n in least)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(spatial, each(padding, 2), each(dilation, 2), kernel, each(stride, 2))
    ]
    c = draw(small)
    if folded:
        columns = draw(arrays((*lead, c * kernel[0] * kernel[1], size[0] * size[1])))
        return Call((columns, spatial, kernel, dilation, padding, stride))
    return Call((draw(arrays((*lead, c, *spatial))), kernel, dilation, padding, stride))


def torched(name: str) -> Any:
    def call(*args: Any, **params: Any) -> Any:
        from torch.nn import functional

        return getattr(functional, name)(*args, **params)

    return call


for rank in (1, 2, 3):
    SPECS[f"conv{rank}d"] = Spec(convolutions(rank), torched(f"conv{rank}d"))
    SPECS[f"conv_transpose{rank}d"] = Spec(transposed_convolutions(rank), torched(f"conv_transpose{rank}d"))
SPECS["unfold"] = Spec(windows(False), torched("unfold"))
SPECS["fold"] = Spec(windows(True), torched("fold"))
