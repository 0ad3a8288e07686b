"""Relatives of the LSTM: multiplicative, and with layer normalisation. Used as `LSTM` is, in layers or as a cell."""

from __future__ import annotations

from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.recurrent import _LSTM, _Cell, _Layers, gated, through_time
from tinygrad_lite.tensor import Tensor

__all__ = ["LayerNormLSTM", "LayerNormLSTMCell", "MultiplicativeLSTM", "MultiplicativeLSTMCell"]


class _MultiplicativeLSTM(_LSTM):
    function = None

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        hidden = self.hidden_size
        return super().shapes(inputs) | {"weight_mx": (hidden, inputs), "weight_mh": (hidden, hidden)}

    def run(self, x: Tensor, states: list, weights: list, lengths: Any = None, reverse: bool = False) -> tuple:
        weight_ih, weight_hh, bias_ih, bias_hh, weight_mx, weight_mh = weights
        inputs, factors = tl.unbind(tl.linear(x, weight_ih, bias_ih)), tl.unbind(tl.linear(x, weight_mx))

        def step(t: int, h: Tensor, c: Tensor) -> list:
            m = factors[t] * tl.linear(h, weight_mh)
            c, o = gated(inputs[t] + tl.linear(m, weight_hh, bias_hh), c)
            return [o * tl.tanh(c), c]

        return through_time(step, len(x), states, lengths, reverse)


class _LayerNormLSTM(_LSTM):
    function = None

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        rows, hidden = (4 * self.hidden_size,), (self.hidden_size,)
        return super().shapes(inputs) | {"gain_ih": rows, "gain_hh": rows, "gain_c": hidden, "bias_c": hidden}

    def reset_parameters(self) -> None:
        """Draw the weights anew; gains are 1 and biases 0, as in `LayerNorm`."""
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if not name.startswith("weight"):
                init.constant_(parameter, float(name.startswith("gain")))

    def run(self, x: Tensor, states: list, weights: list, lengths: Any = None, reverse: bool = False) -> tuple:
        weight_ih, weight_hh, bias_ih, bias_hh, gain_ih, gain_hh, gain_c, bias_c = weights
        inputs = tl.unbind(normalised(tl.linear(x, weight_ih), gain_ih, bias_ih))

        def step(t: int, h: Tensor, c: Tensor) -> list:
            c, o = gated(inputs[t] + normalised(tl.linear(h, weight_hh), gain_hh, bias_hh), c)
            return [o * tl.tanh(normalised(c, gain_c, bias_c)), c]

        return through_time(step, len(x), states, lengths, reverse)


def normalised(x: Tensor, gain: Tensor, bias: Tensor | None) -> Tensor:
    """Layer normalisation of the last axis."""
    return tl.layer_norm(x, gain.shape, gain, bias)


class MultiplicativeLSTM(_MultiplicativeLSTM, _Layers):
    """An LSTM whose gates are made of x and m in place of x and h: the input chooses how the state is read.

        m = (W_mx x) * (W_mh h)
        i, f, o = sigmoid(a), g = tanh(a), a = W_ih x + b_ih + W_hh m + b_hh
        c <- f c + i g,  h <- o tanh(c)

    Krause et al. 2016, arXiv:1609.07959. Arguments and results as for `LSTM`, without proj_size.

    Parameters: those of `LSTM`, of which weight_hh meets m; and for each layer k (and _reverse) weight_mx_l{k}
    (H, I or D H) and weight_mh_l{k} (H, H).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiplicativeLSTM
    >>> out, (h, c) = MultiplicativeLSTM(3, 4)(tl.ones(7, 2, 3), lengths=[7, 5])
    >>> out.shape, h.shape, c.shape
    ((7, 2, 4), (1, 2, 4), (1, 2, 4))
    """


class MultiplicativeLSTMCell(_MultiplicativeLSTM, _Cell):
    """One time of a `MultiplicativeLSTM`, called as `LSTMCell`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiplicativeLSTMCell
    >>> h, c = MultiplicativeLSTMCell(3, 4)(tl.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """


class LayerNormLSTM(_LayerNormLSTM, _Layers):
    """An LSTM with layer normalisation of what comes from x, of what comes from h, and of c on its way out.

        i, f, o = sigmoid(a), g = tanh(a), a = LN(W_ih x; gain_ih, bias_ih) + LN(W_hh h; gain_hh, bias_hh)
        c <- f c + i g,  h <- o tanh(LN(c; gain_c, bias_c))

    where LN(z; gain, bias) = (z - mean) / sqrt(var + 1e-5) * gain + bias, over all 4H elements of W x, or H of c.
    Ba, Kiros and Hinton 2016, arXiv:1607.06450, equations 20 to 22 of the supplement; their third shift of a is
    left out, since it could only be added to the two that are here. Arguments and results as for `LSTM`, without
    proj_size; without bias there is none in LN.

    Parameters for each layer k (and _reverse): weight_ih_l{k} (4H, I or D H), weight_hh_l{k} (4H, H), bias_ih_l{k},
    bias_hh_l{k}, gain_ih_l{k} and gain_hh_l{k} (4H,), gain_c_l{k} and bias_c_l{k} (H,).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LayerNormLSTM
    >>> out, (h, c) = LayerNormLSTM(3, 4, num_layers=2, bidirectional=True)(tl.ones(7, 2, 3))
    >>> out.shape, h.shape, c.shape
    ((7, 2, 8), (4, 2, 4), (4, 2, 4))
    """


class LayerNormLSTMCell(_LayerNormLSTM, _Cell):
    """One time of a `LayerNormLSTM`, called as `LSTMCell`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LayerNormLSTMCell
    >>> h, c = LayerNormLSTMCell(3, 4)(tl.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """
