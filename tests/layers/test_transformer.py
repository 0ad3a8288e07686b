import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, both_modes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")

N, L, S, E = 3, 4, 5, 6
CAUSAL = ~np.tri(L, dtype=bool)
PADDING = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], bool)
ARGUMENTS = [
    {},
    {"norm_first": True, "batch_first": True},
    {"activation": "gelu", "bias": False, "layer_norm_eps": 1e-3},
]


def masked(base, convert, **masks):
    """The layer, called with these masks."""

    class Masked(base):
        def forward(self, *inputs):
            return super().forward(*inputs, **{k: convert(v) for k, v in masks.items()})

    return Masked


def both(make, masks, params):
    """What `make` builds of our classes and of PyTorch's; without dropout, whose numbers differ."""
    params = {"dropout": 0.0} | params
    return [
        make(layers, lambda base: masked(base, lambda a: a, **masks), params),
        make(torch.nn, lambda base: masked(base, torch.tensor, **masks), params),
    ]


def batch(params, *lengths):
    shapes = [(N, length, E) if params.get("batch_first") else (length, N, E) for length in lengths]
    return [normal(*shape) for shape in shapes]


ENCODER_MASKS = {"src_mask": CAUSAL, "src_key_padding_mask": PADDING[:, :4]}
DECODER_MASKS = {
    "tgt_mask": CAUSAL,
    "tgt_key_padding_mask": PADDING[:, 1:] & (np.arange(L) > 0),
    "memory_mask": np.triu(np.ones((L, S), bool), 3),
    "memory_key_padding_mask": PADDING,
}


@needs_torch
@both_dtypes
@both_modes
@pytest.mark.parametrize("params", ARGUMENTS, ids=str)
def test_encoder_layer(params, training, dtype):
    for masks in ({}, ENCODER_MASKS):
        pair = both(lambda nn, m, p: m(nn.TransformerEncoderLayer)(E, 2, 8, **p), masks, params)
        check(*pair, *batch(params, L), dtype=dtype, training=training)


@needs_torch
@both_dtypes
@pytest.mark.parametrize("params", ARGUMENTS, ids=str)
def test_decoder_layer(params, dtype):
    for masks in ({}, DECODER_MASKS):
        pair = both(lambda nn, m, p: m(nn.TransformerDecoderLayer)(E, 2, 8, **p), masks, params)
        check(*pair, *batch(params, L, S), dtype=dtype)


@needs_torch
@pytest.mark.parametrize("params", ARGUMENTS, ids=str)
def test_stacks(params):
    def encoder(nn, m, p):
        norm = nn.LayerNorm(E) if params else None
        return m(nn.TransformerEncoder)(nn.TransformerEncoderLayer(E, 2, 8, **p), 2, norm)

    def decoder(nn, m, p):
        norm = nn.LayerNorm(E) if params else None
        return m(nn.TransformerDecoder)(nn.TransformerDecoderLayer(E, 2, 8, **p), 2, norm)

    masks = {"mask": CAUSAL, "src_key_padding_mask": ENCODER_MASKS["src_key_padding_mask"]}
    check(*both(encoder, masks, params), *batch(params, L))
    check(*both(decoder, DECODER_MASKS, params), *batch(params, L, S))


@needs_torch
@both_dtypes
@pytest.mark.parametrize("params", ARGUMENTS, ids=str)
def test_transformer(params, dtype):
    masks = DECODER_MASKS | {"src_key_padding_mask": PADDING}
    pair = both(lambda nn, m, p: m(nn.Transformer)(E, 2, 1, 2, 8, **p), masks, params)
    check(*pair, *batch(params, S, L), dtype=dtype)
    one = both(lambda nn, m, p: m(nn.Transformer)(E, 2, 1, 1, 8, **p), {}, params)
    check(*one, normal(S, E), normal(L, E), dtype=dtype)


def test_is_causal_alone_is_the_mask():
    tl.manual_seed(0)
    net = layers.Transformer(E, 2, 1, 1, 8).eval().double()
    x, y = tl.tensor(normal(L, N, E)), tl.tensor(normal(N, L, E).swapaxes(0, 1))
    mask = layers.Transformer.generate_square_subsequent_mask(L)
    np.testing.assert_array_equal(mask.numpy(), np.where(CAUSAL, -np.inf, 0))
    want = net(x, y, src_mask=mask, tgt_mask=mask, memory_mask=mask).detach().numpy()
    got = net(x, y, src_is_causal=True, tgt_is_causal=True, memory_is_causal=True).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_copies_start_equal_and_are_trained_apart():
    layer = layers.TransformerEncoderLayer(E, 2, 8)
    first, second = layers.TransformerEncoder(layer, 2).layers
    for a, b, c in zip(first.parameters(), second.parameters(), layer.parameters()):
        assert len({id(a), id(b), id(c)}) == 3
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_dropout_in_training_only():
    tl.manual_seed(0)
    net, x = layers.Transformer(E, 2, 1, 1, 8, dropout=0.3), tl.ones(L, N, E)
    assert not np.array_equal(net(x, x).detach().numpy(), net(x, x).detach().numpy())
    net.eval()
    np.testing.assert_array_equal(net(x, x).detach().numpy(), net(x, x).detach().numpy())


def test_any_function_or_module_may_be_the_activation():
    for activation in (tl.silu, layers.Tanh(), lambda x: x * x):
        layer = layers.TransformerEncoderLayer(E, 2, 8, activation=activation)
        assert layers.TransformerEncoder(layer, 1)(tl.ones(L, N, E)).shape == (L, N, E)
    with pytest.raises(ValueError, match="activation is 'tanh'; it may be 'relu', 'gelu' or any function"):
        layers.TransformerEncoderLayer(E, 2, activation="tanh")


@pytest.mark.parametrize("norm_first", [True, False])
def test_gradients_of_both_orders_match_differences(norm_first):
    tl.manual_seed(0)
    layer = layers.TransformerDecoderLayer(2, 1, 2, 0.0, "gelu", norm_first=norm_first).double()
    names = [name for name, _ in layer.named_parameters()]
    values = [p.detach().numpy() + 0.1 * normal(*p.shape) for p in layer.parameters()]

    def function(x, memory, *weights):
        return functional_call(layer, dict(zip(names, weights)), x, memory, tgt_is_causal=True)

    assert gradcheck(function, normal(3, 1, 2), normal(2, 1, 2), *values)
    assert gradgradcheck(function, normal(3, 1, 2), normal(2, 1, 2), *values)


def test_positional_encoding():
    x = normal(L, N, 5)
    got = layers.PositionalEncoding(5).double()(tl.tensor(x)).numpy()
    for t in range(L):
        for i in range(5):
            angle = t / 10000 ** ((i - i % 2) / 5)
            np.testing.assert_allclose(got[t, :, i] - x[t, :, i], np.cos(angle) if i % 2 else np.sin(angle), atol=1e-6)
    first = layers.PositionalEncoding(5, batch_first=True).double()
    np.testing.assert_array_equal(first(tl.tensor(x.swapaxes(0, 1))).numpy().swapaxes(0, 1), got)
    np.testing.assert_array_equal(first(tl.tensor(x[:, 0])).numpy(), got[:, 0])
    assert not first.state_dict()
    with pytest.raises(ValueError, match=r"\(L, N, E\) or \(L, E\) with E = 5 and L up to 3, got \(4, 3, 5\)"):
        layers.PositionalEncoding(5, max_len=3)(tl.ones(L, N, 5))
