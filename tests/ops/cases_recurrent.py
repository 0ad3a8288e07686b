"""Calls of recurrent layers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ops.spec import SPECS, Call, Spec, arrays


@st.composite
def layers(draw: Any, gates: int, states: int) -> Call:
    """With and without biases, states at first and lengths; in both directions."""
    steps, batch, inputs, hidden = (draw(st.integers(low, 3)) for low in (1, 0, 1, 1))

    def array(*shape: int, optional: bool = False) -> Any:
        return None if optional and draw(st.booleans()) else draw(arrays(shape, -1, 1))

    rows = gates * hidden
    args = [array(steps, batch, inputs), *(array(batch, hidden, optional=True) for _ in range(states))]
    args += [array(rows, inputs), array(rows, hidden), array(rows, optional=True), array(rows, optional=True)]
    lengths = draw(st.none() | st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    return Call((*args, lengths if lengths else None, draw(st.booleans())))


def theirs(kind: str) -> Any:
    """PyTorch's layer, sequence by sequence."""

    def call(x: Any, *rest: Any) -> Any:
        import torch

        *states, weight_ih, weight_hh, bias_ih, bias_hh, lengths, reverse = rest
        (steps, batch, inputs), hidden = x.shape, weight_hh.shape[1]
        states = [x.new_zeros(batch, hidden) if s is None else s for s in states]
        zeros = x.new_zeros(len(weight_ih))
        weights = [weight_ih, weight_hh, *(zeros if b is None else b for b in (bias_ih, bias_hh))]
        layer = getattr(torch.nn, kind)(inputs, hidden).double()
        names = [name for name, _ in layer.named_parameters()]
        outs, ends = [x.new_zeros(steps, 0, hidden)], [[s[:0] for s in states]]
        for n in range(batch):
            count = steps if lengths is None else lengths[n]
            if not count:
                outs.append(x[:, n : n + 1, :1] * x.new_zeros(hidden))
                ends.append([s[n : n + 1] for s in states])
                continue
            sequence, begin = x[:count, n : n + 1], [s[None, n : n + 1] for s in states]
            given = (sequence.flip(0) if reverse else sequence, tuple(begin) if len(begin) > 1 else begin[0])
            out, end = torch.func.functional_call(layer, dict(zip(names, weights)), given)
            out = out.flip(0) if reverse else out
            outs.append(torch.cat([out, out.new_zeros(steps - count, 1, hidden)]))
            ends.append([s[0] for s in (end if len(states) > 1 else [end])])
        return (torch.cat(outs, 1), *(torch.cat(s) for s in zip(*ends)))

    return call


SPECS["lstm"] = Spec(layers(4, 2), theirs("LSTM"))
SPECS["gru"] = Spec(layers(3, 1), theirs("GRU"))
