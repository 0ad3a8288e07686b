import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, both_modes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

N, L, S = 3, 4, 5
PADDING = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
MASK = np.triu(np.ones((L, S), bool), 2)


def with_masks(base, convert, cat, **masks):
    """A layer that is called with these masks, and returns all results in one vector."""

    class Masked(base):
        def forward(self, *inputs):
            given = {k: convert(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
            return cat([out.reshape(-1) for out in super().forward(*inputs, **given) if out is not None])

    return Masked


def both(params=None, **masks):
    """Our layer with 6 columns and 2 heads, and PyTorch's."""
    ours = with_masks(layers.MultiheadAttention, lambda a: a, tl.concatenate, **masks)
    theirs = with_masks(torch.nn.MultiheadAttention, torch.tensor, torch.cat, **masks)
    return ours(6, 2, **(params or {})), theirs(6, 2, **(params or {}))


def inputs(batch_first=False, kdim=6, vdim=6):
    x = normal(N, L, 6), normal(N, S, kdim) + 0.1, normal(N, S, vdim) - 0.1
    return x if batch_first else [np.swapaxes(a, 0, 1) for a in x]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bias": False, "batch_first": True},
        {"kdim": 3},
        {"kdim": 3, "vdim": 4, "bias": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True, "batch_first": True},
        {"add_bias_kv": True, "add_zero_attn": True, "vdim": 2},
    ],
    ids=str,
)
@both_modes
def test_multihead_attention(params, need_weights, training, dtype):
    shapes = {k: v for k, v in params.items() if k in ("batch_first", "kdim", "vdim")}
    for masks in ({}, {"key_padding_mask": PADDING, "attn_mask": MASK}):
        check(*both(params, need_weights=need_weights, **masks), *inputs(**shapes), dtype=dtype, training=training)


@needs_torch
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "masks",
    [
        {"key_padding_mask": PADDING},
        {"key_padding_mask": np.where(PADDING, -2.5, 0.5)},
        {"attn_mask": MASK},
        {"attn_mask": normal(L, S)},
        {"attn_mask": np.stack([MASK, ~MASK] * N) & (np.arange(S) > 0)},
        {"attn_mask": normal(N * 2, L, S), "key_padding_mask": np.where(PADDING, -np.inf, 0)},
        {"attn_mask": ~np.tri(L, S, dtype=bool), "is_causal": True},
        {"attn_mask": ~np.tri(L, S, dtype=bool), "is_causal": True, "key_padding_mask": PADDING[[0, 1, 1]]},
        {"average_attn_weights": False},
    ],
    ids=lambda m: "-".join(f"{k}{np.shape(v)}" for k, v in m.items()),
)
def test_masks(masks, need_weights):
    check(*both(need_weights=need_weights, **masks), *inputs())
    check(*both({"add_bias_kv": True, "add_zero_attn": True}, need_weights=True, **masks), *inputs())


@needs_torch
@pytest.mark.parametrize("masks", [{}, {"key_padding_mask": PADDING[0], "attn_mask": MASK}], ids=len)
@pytest.mark.parametrize("average", [True, False])
def test_one_sequence_without_a_batch(masks, average):
    x = normal(L, 6), normal(S, 6), normal(S, 6)
    for need_weights in (True, False):
        check(*both(need_weights=need_weights, average_attn_weights=average, **masks), *x)


@needs_torch
def test_one_tensor_as_query_key_and_value():
    class Self:
        def forward(self, x):
            return super().forward(x, x, x)[0]

    ours = type("Ours", (Self, layers.MultiheadAttention), {})(6, 3)
    check(ours, type("Theirs", (Self, torch.nn.MultiheadAttention), {})(6, 3), normal(L, N, 6))


def test_is_causal_alone_is_the_mask():
    tl.manual_seed(0)
    x = [tl.tensor(a) for a in inputs()]
    for params in ({}, {"add_zero_attn": True}):
        layer = layers.MultiheadAttention(6, 2, **params).double()
        want = layer(*x, attn_mask=~np.tri(L, S, dtype=bool))[0].detach().numpy()
        for need_weights in (True, False):
            got = layer(*x, is_causal=True, need_weights=need_weights)[0]
            np.testing.assert_allclose(got.detach().numpy(), want, atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_numbers_as_a_mask_may_be_learned(need_weights):
    tl.manual_seed(0)
    layer, x = layers.MultiheadAttention(4, 2).double(), normal(3, 2, 4)
    assert gradcheck(lambda m: layer(x, x, x, attn_mask=m, need_weights=need_weights)[0], normal(3, 3))


def test_a_query_that_may_look_nowhere_gets_zeros():
    tl.manual_seed(0)
    layer, x = layers.MultiheadAttention(6, 2, bias=False).double(), [tl.tensor(a) for a in inputs()]
    mask = MASK.copy()
    mask[1] = True
    for need_weights in (True, False):
        out, weights = layer(*x, attn_mask=mask, need_weights=need_weights)
        assert not out.detach().numpy()[1].any() and out.detach().numpy()[[0, 2, 3]].all()
        assert weights is None or not weights.detach().numpy()[:, 1].any()
        layer.zero_grad()
        out.sum().backward()
        assert all(np.isfinite(p.grad.numpy()).all() for p in layer.parameters())


def test_dropout_of_the_weights_in_training_only():
    tl.manual_seed(0)
    layer, x = layers.MultiheadAttention(6, 2, dropout=0.5), [tl.tensor(a.astype(np.float32)) for a in inputs()]
    for need_weights in (True, False):
        outs = [layer.train()(*x, need_weights=need_weights)[0].detach().numpy() for _ in range(2)]
        assert not np.array_equal(*outs)
        outs = [layer.eval()(*x, need_weights=need_weights)[0].detach().numpy() for _ in range(2)]
        np.testing.assert_array_equal(*outs)


def test_weights_start_as_glorot_and_bengio_say():
    tl.manual_seed(0)
    layer = layers.MultiheadAttention(60, 2, add_bias_kv=True)
    bound = (6 / (60 + 180)) ** 0.5
    values = layer.in_proj_weight.detach().numpy()
    assert 0.99 * bound < np.abs(values).max() <= bound
    assert not layer.in_proj_bias.detach().numpy().any() and not layer.out_proj.bias.detach().numpy().any()
    assert layer.bias_k.detach().numpy().any()


# ------------------------------------------------------------------------------------- additive


def bahdanau(layer, query, key, value):
    """Each context by the equations, query by query and key by key."""
    w, u, v = (m.weight.detach().numpy() for m in (layer.query_proj, layer.key_proj, layer.energy))
    b = 0 if layer.key_proj.bias is None else layer.key_proj.bias.detach().numpy()
    e = np.array([v[0] @ np.tanh(w @ query + u @ k + b) for k in key])
    a = np.exp(e) / np.exp(e).sum()
    return sum(a_j * v_j for a_j, v_j in zip(a, value)), a


@pytest.mark.parametrize("bias", [True, False])
def test_additive_attention_by_its_equations(bias):
    tl.manual_seed(0)
    layer = layers.AdditiveAttention(2, 3, 4, bias).double()
    query, key, value = normal(N, L, 2), normal(N, S, 3), normal(N, S, 6)
    lengths = [5, 1, 3]
    context, weights = layer(query, key, value, lengths=lengths)
    masked = layer(query, key, value, np.arange(S) >= np.array(lengths)[:, None])
    np.testing.assert_array_equal(context.detach().numpy(), masked[0].detach().numpy())
    for n, i in np.ndindex(N, L):
        end = lengths[n]
        want, a = bahdanau(layer, query[n, i], key[n, :end], value[n, :end])
        np.testing.assert_allclose(context.detach().numpy()[n, i], want, atol=1e-12)
        np.testing.assert_allclose(weights.detach().numpy()[n, i], np.pad(a, (0, S - end)), atol=1e-12)
    one, weights = layer(query[:, 1], key, value, lengths=lengths)
    assert one.shape == (N, 6) and weights.shape == (N, S)
    np.testing.assert_allclose(one.detach().numpy(), context.detach().numpy()[:, 1], atol=1e-12)
    np.testing.assert_allclose(layer(query, key)[0].detach().numpy(), layer(query, key, key)[0].detach().numpy())


def test_additive_attention_with_another_map_and_with_no_key_to_see():
    tl.manual_seed(0)
    layer = layers.AdditiveAttention(2, 3, 4, function=layers.Fusedmax(lambd=0.01)).double()
    context, weights = layer(normal(N, 2), normal(N, S, 3), lengths=[5, 0, 3])
    weights = weights.detach().numpy()
    np.testing.assert_allclose(weights.sum(1), [1, 0, 1])
    assert not weights[2, 3:].any() and not context.detach().numpy()[1].any()
    context.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in layer.parameters())


# ------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("need_weights", [True, False])
def test_gradients_of_multihead_attention_match_differences(need_weights):
    tl.manual_seed(0)
    layer = layers.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True).double()
    names = [name for name, _ in layer.named_parameters()]
    mask = np.array([[False, True, False], [True, True, False]])

    def function(q, k, v, *weights):
        params = {"need_weights": need_weights, "key_padding_mask": mask}
        return functional_call(layer, dict(zip(names, weights)), q, k, v, **params)[0]

    xs = [normal(2, 2, 4), normal(3, 2, 3), normal(3, 2, 4), *(p.detach().numpy() for p in layer.parameters())]
    assert gradcheck(function, *xs)
    assert gradgradcheck(function, *xs)


@pytest.mark.parametrize("function", [tl.softmax, tl.sparsemax])
def test_gradients_of_additive_attention_match_differences(function):
    tl.manual_seed(0)
    layer = layers.AdditiveAttention(2, 3, 2, function=function).double()
    names = [name for name, _ in layer.named_parameters()]

    def call(q, k, *weights):
        return functional_call(layer, dict(zip(names, weights)), q, k, lengths=[3, 2])[0]

    xs = [normal(2, 2), normal(2, 3, 3), *(p.detach().numpy() for p in layer.parameters())]
    assert gradcheck(call, *xs)
    assert gradgradcheck(call, *xs)


def test_errors_say_what_is_needed():
    with pytest.raises(ValueError, match="4 heads can't share embed_dim = 6"):
        layers.MultiheadAttention(6, 4)
    with pytest.raises(ValueError, match="dropout is a probability, got 2"):
        layers.MultiheadAttention(6, 2, dropout=2)
    layer, x = layers.MultiheadAttention(6, 2), tl.ones(L, N, 6)
    with pytest.raises(ValueError, match=r"\(L, N, E\), .* are \(6, 6, 6\); got \(4, 3, 6\), \(5, 3, 6\), \(4, 3, 6\)"):
        layer(x, tl.ones(S, N, 6), x)
    with pytest.raises(ValueError, match=r"needs query, key, value"):
        layer(x, x[0], x[0])
    with pytest.raises(ValueError, match=r"key_padding_mask needs shape \(3, 4\) here.*got shape \(4, 3\) of bool"):
        layer(x, x, x, key_padding_mask=np.zeros((L, N), bool))
    with pytest.raises(ValueError, match=r"attn_mask needs shape \(4, 4\) or \(6, 4, 4\) here.*of int64"):
        layer(x, x, x, attn_mask=np.zeros((L, L), int))
    additive = layers.AdditiveAttention(2, 3, 4)
    with pytest.raises(ValueError, match=r"got \(2, 2\), \(3, 5, 3\) and \(3, 5, 3\)"):
        additive(tl.ones(2, 2), tl.ones(3, 5, 3))
    with pytest.raises(ValueError, match="AdditiveAttention: lengths must be 3 whole numbers from 0 to 5"):
        additive(tl.ones(3, 2), tl.ones(3, 5, 3), lengths=[1, 2, 6])
    with pytest.raises(ValueError, match="give one of them"):
        additive(tl.ones(3, 2), tl.ones(3, 5, 3), None, PADDING, [1, 2, 3])
