import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import optim
from tinygrad_lite.layers import Linear, Parameter, ReLU, Sequential

ALL = [
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.SGD, {"lr": 0.1}),
    (optim.Adam, {"amsgrad": True}),
    (optim.AdamW, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    (optim.Adadelta, {"lr": 1.0, "rho": 0.5, "eps": 1e-3}),
    (optim.Adamax, {}),
    (optim.NAdam, {"decoupled_weight_decay": True, "weight_decay": 0.01}),
    (optim.RAdam, {"lr": 0.05}),
    (optim.Rprop, {}),
    (optim.ASGD, {"t0": 3}),
    (optim.Ftrl, {"l1_regularization_strength": 0.001, "beta": 1.0}),
]
every = pytest.mark.parametrize("kind, params", ALL, ids=lambda v: getattr(v, "__name__", ""))


def leaf(*shape, dtype="float64"):
    return tl.randn(*shape, dtype=dtype, requires_grad=True)


def step(optimizer, tensors, seed):
    rng = np.random.default_rng(seed)
    for t in tensors:
        t.grad = tl.tensor(np.asarray(rng.normal(size=t.shape), t.dtype))
    optimizer.step()


@every
def test_resuming_is_exact(kind, params, tmp_path):
    """Ten steps on end are five, saved to a file, loaded into a new optimizer, and five more."""
    tl.manual_seed(0)
    start = [leaf(3, 4), leaf(), leaf(5, dtype="float32")]

    def fresh():
        tensors = [copy.deepcopy(t) for t in start]
        return tensors, kind([{"params": tensors[:1], "lr": 0.05}, {"params": tensors[1:]}], **params)

    straight, optimizer = fresh()
    for k in range(10):
        step(optimizer, straight, k)
    first, optimizer = fresh()
    for k in range(5):
        step(optimizer, first, k)
    optimizer.param_groups[1]["lr"] *= 1.0
    tl.save({"optimizer": optimizer.state_dict(), "tensors": first}, tmp_path / "state.npz")
    state = tl.load(tmp_path / "state.npz")
    second, optimizer = fresh()
    with tl.no_grad():
        for t, value in zip(second, state["tensors"]):
            t.data = value
    optimizer.load_state_dict(state["optimizer"])
    for k in range(5, 10):
        step(optimizer, second, k)
    for a, b in zip(straight, second):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


@every
def test_large_and_small_tensors_alike(kind, params, monkeypatch):
    """Parts of a large array, and an array that is not contiguous, give the same numbers as small ones."""
    monkeypatch.setattr("tinygrad_lite.kernels.threads._count", 3)
    monkeypatch.setattr("tinygrad_lite.kernels.threads._crews", [])
    monkeypatch.setattr("tinygrad_lite.kernels.threads.WORTHWHILE", 1000)
    rng = np.random.default_rng(0)
    values, grads = rng.normal(size=(300, 250)), rng.normal(size=(3, 300, 250))
    whole, rows = tl.tensor(values, requires_grad=True), [tl.tensor(v, requires_grad=True) for v in values]
    turned = tl.tensor(values.T, requires_grad=True)
    turned._array = np.asfortranarray(turned._array)
    assert not turned._array.flags.c_contiguous
    a, b, c = kind([whole], **params), kind(rows, **params), kind([turned], **params)
    for g in grads:
        whole.grad, turned.grad = tl.tensor(g), tl.tensor(g.T)
        whole.grad._array = np.asfortranarray(g)
        for row, part in zip(rows, g):
            row.grad = tl.tensor(part)
        for optimizer in (a, b, c):
            optimizer.step()
    want = np.stack([r.detach().numpy() for r in rows])
    for t in (whole.detach(), turned.detach().T):
        np.testing.assert_allclose(t.numpy(), want, rtol=1e-9, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_dtypes_stay(kind, params, dtype):
    t = tl.ones(4, dtype=dtype, requires_grad=True)
    optimizer = kind([t], **params)
    optimizer.param_groups[0]["lr"] = np.float64(0.01)
    step(optimizer, [t], 0)
    assert t.dtype == dtype and np.isfinite(t.detach().numpy()).all() and (t != 1).any()
    assert all(v.dtype == dtype for v in optimizer.state[t].values() if isinstance(v, np.ndarray))


@every
def test_zero_size_and_missing_gradients(kind, params):
    empty, frozen, used = leaf(0, 3), leaf(2), leaf(2)
    before = np.array(frozen.detach())
    optimizer = kind([empty, frozen, used], **params)
    empty.grad, used.grad = tl.zeros(0, 3, dtype="float64"), tl.ones(2, dtype="float64")
    optimizer.step()
    assert np.array_equal(before, frozen.detach().numpy())
    assert frozen not in optimizer.state and used in optimizer.state


@every
def test_maximize_takes_the_opposite_gradient(kind, params):
    tl.manual_seed(0)
    a = leaf(5)
    b = copy.deepcopy(a)
    up, down = kind([a], **params, maximize=True), kind([b], **params)
    for seed in range(5):
        g = np.random.default_rng(seed).normal(size=5)
        a.grad, b.grad = tl.tensor(g), tl.tensor(-g)
        up.step()
        down.step()
    assert np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_training_lowers_the_loss():
    for kind, params in ALL:
        if kind is optim.Ftrl:  # forgets the weights that a network begins with
            continue
        tl.manual_seed(0)
        net = Sequential(Linear(3, 16), ReLU(), Linear(16, 1))
        x = tl.randn(32, 3)
        y = x.sum(axis=1, keepdims=True)
        optimizer = kind(net.parameters(), **{"lr": 0.01, **params})
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.4 * losses[0], kind


def test_the_tape_sees_the_update():
    w = leaf(2)
    loss = (w * w).sum()
    w.grad = tl.ones(2, dtype="float64")
    optim.SGD([w]).step()
    with pytest.raises(tl.GradientError, match="changed in place"):
        loss.backward()
    assert w.is_leaf and w.requires_grad


def test_closure():
    w = tl.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        assert tl.is_grad_enabled()
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tl.no_grad():
        assert optimizer.step(closure).item() == 9
    assert w.item() == 0


def test_zero_grad():
    w = leaf(2)
    optimizer = optim.SGD([w])
    w.grad = tl.ones(2, dtype="float64")
    optimizer.zero_grad(set_to_none=False)
    assert (w.grad == 0).all()
    optimizer.zero_grad()
    assert w.grad is None


def test_groups():
    a, b, c = leaf(2), leaf(2), leaf(2)
    optimizer = optim.SGD([{"params": [a], "lr": 1.0, "name": "body"}, {"params": b}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.1, 0.1]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.0, 0.0, 0.5]
    before = [np.array(t.detach()) for t in (a, b, c)]
    for t in (a, b, c):
        t.grad = tl.ones(2, dtype="float64")
    optimizer.step()
    moved = [np.unique(old - t.detach().numpy()).round(12) for old, t in zip(before, (a, b, c))]
    assert [m[0] for m in moved] == [1.0, 0.1, 0.1]
    assert "group 0: 1 parameters, lr=1.0" in repr(optimizer)


@pytest.mark.parametrize(
    "params, error, message",
    [
        ([], ValueError, "SGD: got an empty list of parameters"),
        (lambda: leaf(2), TypeError, "list of tensors or of groups, got a Tensor"),
        ([np.ones(2)], TypeError, "parameter 0 is a ndarray, and only Tensors are trained"),
        (lambda: [leaf(2) * 2], ValueError, "parameter 0 was computed from other tensors"),
        (lambda: [tl.tensor([1, 2])], TypeError, "parameter 0 is int64"),
        (lambda: [leaf(2)] * 2, ValueError, "parameter 1 is given twice"),
        ([{"params": []}], ValueError, "group with an empty list"),
        ([{"lr": 3}], TypeError, "a group is a dict with 'params'"),
        (lambda: [{"params": [leaf(2)], "lrr": 3}], ValueError, "unknown option lrr; there is lr, momentum"),
        (lambda: [{"params": [leaf(2)], "lr": -3}], ValueError, "lr=-3 is out of range"),
    ],
)
def test_bad_parameters(params, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(params() if callable(params) else params, lr=0.1)


@pytest.mark.parametrize(
    "kind, params, message",
    [
        (optim.SGD, {"lr": float("nan")}, "SGD: lr=nan is out of range"),
        (optim.SGD, {"momentum": -0.1}, "momentum=-0.1"),
        (optim.SGD, {"nesterov": True}, "nesterov=True needs a momentum"),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0"),
        (optim.Adam, {"betas": (0.9, 1.0)}, r"Adam: betas=\(0.9, 1.0\) is out of range"),
        (optim.Adam, {"betas": 0.9}, "betas are two numbers, got 0.9"),
        (optim.AdamW, {"eps": -1}, "AdamW: eps=-1"),
        (optim.RMSprop, {"alpha": 1.5}, "RMSprop: alpha=1.5"),
        (optim.RMSprop, {"weight_decay": -1}, "weight_decay=-1"),
        (optim.Adagrad, {"lr_decay": -1}, "Adagrad: lr_decay=-1"),
        (optim.Adadelta, {"rho": -0.5}, "Adadelta: rho=-0.5"),
        (optim.Adamax, {"betas": (0.9, 1.5)}, r"Adamax: betas=\(0.9, 1.5\)"),
        (optim.NAdam, {"momentum_decay": -1}, "NAdam: momentum_decay=-1"),
        (optim.RAdam, {"betas": (0.9,)}, "RAdam: betas are two numbers"),
        (optim.Rprop, {"etas": (1.0, 0.5)}, r"Rprop: etas=\(1.0, 0.5\) is out of range"),
        (optim.Rprop, {"step_sizes": 3}, "Rprop: step_sizes are two numbers, got 3"),
        (optim.ASGD, {"t0": -1}, "ASGD: t0=-1"),
        (optim.Ftrl, {"lr": 0.0}, "Ftrl: lr=0.0; lr is above 0"),
        (optim.Ftrl, {"learning_rate_power": 0.5}, "Ftrl: learning_rate_power=0.5"),
    ],
)
def test_bad_options(kind, params, message):
    with pytest.raises(ValueError, match=message):
        kind([leaf(2)], **params)


def test_bad_gradient():
    w = leaf(2)
    w.grad = tl.ones(3)
    with pytest.raises(ValueError, match=r"SGD: a gradient of shape \(3,\) for a parameter of shape \(2,\)"):
        optim.SGD([w]).step()


def test_bad_states():
    w = leaf(2)
    optimizer = optim.Adam([w])
    step(optimizer, [w], 0)
    good = optimizer.state_dict()
    for wrong, message in [
        ({}, "needs an optimizer's"),
        ({**good, "param_groups": good["param_groups"] * 2}, r"groups of \[1, 1\] parameters, this optimizer of \[1\]"),
        ({**good, "param_groups": [{**good["param_groups"][0], "lr": -1}]}, "lr=-1"),
        ({**good, "state": {0: {"step": 1, "exp_avg": tl.ones(3)}}}, r"exp_avg has shape \(3,\), its parameter \(2,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(wrong)
    assert optimizer.param_groups[0]["lr"] == 1e-3 and optimizer.state[w]["step"] == 1


def test_state_dict_is_a_copy():
    w = Parameter([1.0, 2.0])
    optimizer = optim.Adam([w])
    step(optimizer, [w], 0)
    state = optimizer.state_dict()
    before = np.array(state["state"][0]["exp_avg"])
    step(optimizer, [w], 1)
    assert np.array_equal(before, state["state"][0]["exp_avg"].numpy()) and state["state"][0]["step"] == 1
