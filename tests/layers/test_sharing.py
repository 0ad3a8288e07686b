"""Parameters that several layers share, parts that are frozen, and groups of parameters."""

import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, normal, torch
from tinygrad_lite import optim
from tinygrad_lite.layers import (
    BatchNorm1d,
    Dropout,
    Embedding,
    Linear,
    Module,
    Sequential,
    decay_groups,
    functional_call,
)


class Words(Module):
    """A model of words whose first and last matrix are one (Press and Wolf 2017, arXiv:1608.05859)."""

    def __init__(self, tied=True):
        super().__init__()
        self.embedding = Embedding(7, 4)
        self.hidden = Linear(4, 4)
        self.output = Linear(4, 7, bias=False)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, words):
        return self.output(tl.tanh(self.hidden(self.embedding(words))))


WORDS = np.array([1, 3, 3, 6])


def loss(net):
    return tl.cross_entropy(net(tl.tensor(WORDS)), tl.tensor(WORDS[::-1]))


def test_a_tied_embedding_is_one_parameter():
    net = Words()
    assert [name for name, _ in net.named_parameters()] == ["embedding.weight", "hidden.weight", "hidden.bias"]
    assert list(net.state_dict()) == ["embedding.weight", "hidden.weight", "hidden.bias", "output.weight"]
    assert net.summary().parameters == sum(p.size for p in net.parameters()) == 28 + 20
    assert copy.deepcopy(net).double().output.weight.dtype == np.float64
    copied = copy.deepcopy(net)
    assert copied.output.weight is copied.embedding.weight is not net.embedding.weight


def test_its_gradient_is_the_sum_over_the_places_where_it_stands():
    tied, apart = Words().double(), Words(tied=False).double()
    apart.load_state_dict(tied.state_dict())
    loss(tied).backward()
    loss(apart).backward()
    wanted = apart.embedding.weight.grad + apart.output.weight.grad
    assert np.allclose(tied.embedding.weight.grad, wanted, rtol=0, atol=1e-12)


def test_an_optimizer_updates_it_once():
    tl.manual_seed(0)
    net = Words().double()
    before = np.array(net.embedding.weight.detach())
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    loss(net).backward()
    optimizer.step()
    assert np.allclose(net.embedding.weight.detach(), before - 0.5 * np.asarray(net.embedding.weight.grad))
    assert len(optimizer.state) == 3
    with pytest.raises(ValueError, match="parameter 3 is given twice"):
        optim.SGD([*net.parameters(), net.output.weight], lr=0.1)


@pytest.mark.parametrize("strict", [True, False])
def test_it_is_saved_once_and_restored_into_a_tied_and_an_untied_model(strict, tmp_path):
    net = Words()
    tl.save(net.state_dict(), tmp_path / "words.npz")
    with np.load(tmp_path / "words.npz") as file:
        assert "embedding.weight" in file and "output.weight" not in file
    for tied in (True, False):
        other = Words(tied)
        assert other.load_state_dict(tl.load(tmp_path / "words.npz"), strict) == ([], [])
        assert np.array_equal(other.output.weight.detach(), net.embedding.weight.detach())
        assert (other.output.weight is other.embedding.weight) == tied


@needs_torch
def test_a_tied_state_goes_to_pytorch_and_back():
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(7, 4)
            self.hidden = torch.nn.Linear(4, 4)
            self.output = torch.nn.Linear(4, 7, bias=False)
            self.output.weight = self.embedding.weight

    ours, theirs = Words(), Theirs()
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    theirs.load_state_dict({name: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()})


def test_functional_call_replaces_it_everywhere():
    net = Words().double()
    new = tl.tensor(normal(7, 4))
    out = functional_call(net, {"embedding.weight": new}, tl.tensor(WORDS))
    net.load_state_dict({**net.state_dict(), "embedding.weight": new, "output.weight": new})
    assert np.allclose(out.detach(), net(tl.tensor(WORDS)).detach())


# ----------------------------------------------------------------------------------------- frozen


def network():
    tl.manual_seed(0)
    return Sequential(Linear(3, 4), BatchNorm1d(4), Dropout(0.5), Linear(4, 2))


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1), optim.Adam])
def test_a_frozen_part_does_not_change(make):
    net = network()
    net[:2].requires_grad_(False)
    net[:2].eval()
    before = {name: np.array(t) for name, t in net.state_dict().items()}
    optimizer = make(net.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        net(tl.tensor(normal(5, 3), dtype="float32")).sum().backward()
        optimizer.step()
    changed = {name for name, t in net.state_dict().items() if not np.array_equal(before[name], t)}
    assert changed == {"3.weight", "3.bias"}
    assert all(p.grad is None for p in net[:2].parameters())


def test_running_statistics_of_a_frozen_part_follow_unless_it_is_in_inference_mode():
    """As in PyTorch: requires_grad is about parameters, and the mode about statistics."""
    net = network().requires_grad_(False)
    net(tl.tensor(normal(5, 3), dtype="float32"))
    assert net[1].num_batches_tracked.item() == 1 and (net[1].running_mean != 0).all()


def test_nothing_is_recorded_before_the_first_trained_layer():
    net = network()
    net[:3].requires_grad_(False)
    assert not net[:3](tl.tensor(normal(5, 3), dtype="float32")).requires_grad
    assert net(tl.tensor(normal(5, 3), dtype="float32")).requires_grad


def test_a_part_that_is_frozen_later_is_left_alone_from_then_on():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    x = tl.tensor(normal(5, 3), dtype="float32")
    net(x).sum().backward()
    optimizer.step()
    net[0].requires_grad_(False)
    before = np.array(net[0].weight)
    optimizer.zero_grad()
    net(x).sum().backward()
    optimizer.step()
    assert np.array_equal(before, net[0].weight)
    net[0].requires_grad_(True)
    optimizer.zero_grad()
    net(x).sum().backward()
    optimizer.step()
    assert not np.array_equal(before, net[0].weight.detach())


# ----------------------------------------------------------------------------------------- groups


def test_decay_groups():
    net = network()
    groups = decay_groups(net, 0.1)
    assert [[p.shape for p in group["params"]] for group in groups] == [[(4, 3), (2, 4)], [(4,), (4,), (4,), (2,)]]
    net[0].requires_grad_(False)
    groups = decay_groups(net, 0.1)
    assert [[p.shape for p in group["params"]] for group in groups] == [[(2, 4)], [(4,), (4,), (2,)]]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert len(decay_groups(Linear(2, 2, bias=False), 0.1)) == 1
    assert [len(group["params"]) for group in decay_groups(Words(), 0.1)] == [2, 1]


def test_only_matrices_decay():
    net = network()
    optimizer = optim.SGD(decay_groups(net, 0.5), lr=0.1)
    before = {name: np.array(p.detach()) for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = tl.zeros_like(p).detach()
    optimizer.step()
    for name, p in net.named_parameters():
        assert np.allclose(p.detach(), before[name] * (0.95 if p.ndim > 1 else 1.0)), name
