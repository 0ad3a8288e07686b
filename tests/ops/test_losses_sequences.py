"""Connectionist temporal classification against all paths one by one, and what it refuses."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

import tinygrad_lite as tl

rng = np.random.default_rng(0)


def scores(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def log_likelihood(log_probs: np.ndarray, labels: list[int], blank: int) -> float:
    """The log of the summed probability of all paths that give the labels."""
    steps, symbols = log_probs.shape
    total = 0.0
    for path in product(range(symbols), repeat=steps):
        if [k for k, _ in groupby(path) if k != blank] == labels:
            total += np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
    with np.errstate(divide="ignore"):
        return float(np.log(total))


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("labels", [[], [1], [1, 1], [1, "other"], [1, "other", 1], [1, 1, 1]], ids=str)
def test_it_is_the_sum_over_all_paths(labels, blank):
    labels = [2 - blank if k == "other" else k for k in labels]
    x = tl.log_softmax(tl.tensor(scores(4, 3)), -1)
    got = tl.ctc_loss(x, np.array(labels, int), 4, len(labels), blank=blank, reduction="sum")
    want = -log_likelihood(x.numpy(), labels, blank)
    assert got.shape == () and (got.item() == want if np.isinf(want) else abs(got.item() - want) < 1e-12)


def test_steps_beyond_the_length_count_for_nothing():
    x = tl.tensor(scores(6, 2, 4), requires_grad=True)
    labels = np.array([[1, 2, 3], [2, 2, 0]])
    loss = tl.ctc_loss(x, labels, [6, 4], [3, 2], reduction="none")
    apart = [tl.ctc_loss(x[:6, 0], labels[0], 6, 3), tl.ctc_loss(x[:4, 1], labels[1, :2], 4, 2)]
    np.testing.assert_allclose(loss.detach().numpy(), [3 * apart[0].item(), 2 * apart[1].item()], rtol=1e-12)
    assert not tl.grad(loss.sum(), x).numpy()[4:, 1].any()


def test_labels_that_do_not_fit():
    x = tl.tensor(scores(3, 2, 3), requires_grad=True)
    labels = np.array([[1, 1, 1], [1, 2, 0]])
    loss = tl.ctc_loss(x, labels, [3, 3], [3, 2], reduction="none")
    assert np.isinf(loss.detach().numpy()).tolist() == [True, False]
    gradient = tl.grad(loss.sum(), x).numpy()
    assert np.isfinite(gradient).all() and not gradient[:, 0].any() and gradient[:, 1].any()
    spared = tl.ctc_loss(x, labels, [3, 3], [3, 2], reduction="none", zero_infinity=True)
    assert spared[0].item() == 0 and spared[1].item() == loss[1].item()


def test_a_symbol_without_probability():
    x = scores(4, 3)
    x[:, 2] = -np.inf
    t = tl.tensor(x, requires_grad=True)
    loss = tl.ctc_loss(t, np.array([1]), 4, 1)
    assert abs(loss.item() - tl.ctc_loss(x[:, :2], np.array([1]), 4, 1).item()) < 1e-12
    assert np.isfinite(tl.grad(loss, t).numpy()).all()
    assert np.isinf(tl.ctc_loss(t, np.array([2]), 4, 1).item())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_long_sequences_as_in_pytorch(reduction, dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which comes with the extra [torch]")
    given = np.asarray(tl.log_softmax(tl.tensor(3 * scores(40, 5, 8)), -1).numpy(), dtype)
    labels, lengths, counts = rng.integers(1, 8, (5, 12)), rng.integers(25, 41, 5), rng.integers(0, 13, 5)
    ours, theirs = tl.tensor(given, requires_grad=True), torch.tensor(given, requires_grad=True)
    loss = tl.ctc_loss(ours, labels, lengths, counts, reduction=reduction)
    call = (torch.tensor(a) for a in (labels, lengths, counts))
    want = torch.nn.functional.ctc_loss(theirs, *call, reduction=reduction)
    g = np.asarray(rng.normal(size=want.shape), dtype)
    loss.backward(g)
    want.backward(torch.tensor(g))
    tolerance = 1e-4 if dtype == "float32" else 1e-12  # PyTorch's is only so exact
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss.detach().numpy(), want.detach().numpy(), rtol=tolerance)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=tolerance)


def test_half_precision_and_no_steps():
    x = tl.tensor(scores(5, 3))
    half = tl.ctc_loss(x.astype(np.float16), np.array([1, 2]), 5, 2)
    assert half.dtype == np.float16 and abs(half.item() - tl.ctc_loss(x, np.array([1, 2]), 5, 2).item()) < 0.01
    nothing = tl.ctc_loss(x[:, None], np.zeros((1, 0), int), [0], [0], reduction="none")
    assert nothing.tolist() == [0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"log_probs": scores(4)}, ValueError, r"log_probs has shape \(4,\); it is \(T, N, C\) or \(T, C\)"),
        ({"blank": 3}, IndexError, "blank is 3, but the 3 symbols are 0 to 2"),
        ({"targets": np.ones((2, 2))}, TypeError, "targets is float64, but labels are integers"),
        ({"targets": np.ones((3, 2), int)}, ValueError, r"targets has shape \(3, 2\) for a batch of 2"),
        ({"targets": np.ones(5, int)}, ValueError, "targets has 5 labels, but target_lengths add up to 3"),
        ({"targets": np.full((2, 2), 3)}, IndexError, "labels from 3 to 3 are out of range for 3 symbols"),
        ({"input_lengths": [4]}, ValueError, "input_lengths has 1 entries for a batch of 2"),
        ({"input_lengths": [4, 5]}, ValueError, "input_lengths has values from 4 to 5; there are 4 steps"),
        ({"target_lengths": [2, 3]}, ValueError, "target_lengths has values from 2 to 3; there are 2 labels"),
        ({"target_lengths": [1.0, 2.0]}, TypeError, "target_lengths is float.*; lengths are integers"),
        ({"reduction": "average"}, ValueError, "reduction is 'average'"),
    ],
)
def test_what_is_refused(change, error, message):
    usual = {"log_probs": scores(4, 2, 3), "targets": np.ones((2, 2), int)}
    usual |= {"input_lengths": [4, 4], "target_lengths": [2, 1]}
    with pytest.raises(error, match=f"ctc_loss: {message}"):
        tl.ctc_loss(**usual | change)
