"""FTRL-proximal against algorithm 1 of the paper, one weight at a time, and what its L1 term is for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.optim import Adagrad, Ftrl


def algorithm_1(gradients, alpha, beta, lambda1, lambda2, n=0.0):
    """The weights of McMahan et al. 2013 after each round, for the gradients (rounds, weights) that came."""
    rounds, weights = gradients.shape
    out = np.zeros((rounds, weights))
    for i in range(weights):
        z, squares, w = 0.0, n, 0.0
        for t in range(rounds):
            g = gradients[t, i]
            sigma = (np.sqrt(squares + g**2) - np.sqrt(squares)) / alpha
            z += g - sigma * w
            squares += g**2
            if abs(z) <= lambda1:
                w = 0.0
            else:
                w = -(z - np.sign(z) * lambda1) / ((beta + np.sqrt(squares)) / alpha + lambda2)
            out[t, i] = w
    return out


def run(make, gradients):
    w = tl.zeros(gradients.shape[1], dtype="float64", requires_grad=True)
    optimizer, path = make([w]), []
    for g in gradients:
        w.grad = tl.tensor(g)
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


weight = st.one_of(st.just(0.0), st.floats(1e-3, 3))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(1e-3, 1), weight, weight, weight, weight, st.integers(0, 1000))
def test_it_is_the_papers_algorithm(lr, beta, l1, l2, start, seed):
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(100, 4)) * (rng.random((100, 4)) < 0.3)  # sparse, as its gradients are

    def make(params):
        return Ftrl(
            params,
            lr=lr,
            initial_accumulator_value=start,
            l1_regularization_strength=l1,
            l2_regularization_strength=l2 / 2,
            beta=beta,
        )

    np.testing.assert_allclose(
        run(make, gradients), algorithm_1(gradients, lr, beta, l1, l2, start), rtol=1e-10, atol=1e-10
    )


def test_without_penalties_it_is_adagrad():
    gradients = np.random.default_rng(0).normal(size=(100, 3))
    ftrl = run(lambda params: Ftrl(params, lr=0.1), gradients)
    adagrad = run(lambda params: Adagrad(params, lr=0.1, initial_accumulator_value=0.1, eps=0), gradients)
    np.testing.assert_allclose(ftrl, adagrad, rtol=1e-10)


def test_a_fixed_rate():
    """learning_rate_power=0: n plays no part, and the steps are those of gradient descent."""
    gradients = np.random.default_rng(0).normal(size=(20, 3))
    path = run(lambda params: Ftrl(params, lr=0.1, learning_rate_power=0.0), gradients)
    np.testing.assert_allclose(path, -0.1 * np.cumsum(gradients, axis=0), rtol=1e-10, atol=1e-12)


def test_l1_sets_useless_weights_to_exactly_zero():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20))
    y = x[:, :3] @ [2.0, -3.0, 1.0] + 0.1 * rng.normal(size=300)
    w = tl.zeros(20, dtype="float64", requires_grad=True)
    optimizer = Ftrl([w], lr=0.5, l1_regularization_strength=20.0)
    for k in range(300):
        optimizer.zero_grad()
        ((x[k] * w).sum() - y[k]).square().backward()
        optimizer.step()
    found = w.detach().numpy()
    assert (found[:3] != 0).all() and (found[3:] == 0).sum() >= 10, found
