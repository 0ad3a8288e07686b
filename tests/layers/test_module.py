import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, torch
from tinygrad_lite.layers import BatchNorm1d, Linear, Module, Parameter, ReLU, Sequential, init


class Block(Module):
    def __init__(self):
        super().__init__()
        self.first = Linear(3, 4)
        self.norm = BatchNorm1d(4)
        self.second = Linear(4, 3, bias=False)
        self.scale = Parameter(tl.ones(3))

    def forward(self, x):
        return x + self.scale * self.second(tl.relu(self.norm(self.first(x))))


NAMES = ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "second.weight"]
BUFFERS = ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]


def test_names():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_buffers()] == BUFFERS
    assert [name for name, _ in block.named_children()] == ["first", "norm", "second"]
    assert [name for name, _ in block.named_modules()] == ["", "first", "norm", "second"]
    assert set(block.state_dict()) == {*NAMES, *BUFFERS}
    assert [name for name, _ in block.named_parameters(recurse=False)] == ["scale"]
    assert next(iter(Sequential(block).named_parameters("net")))[0] == "net.0.scale"
    assert block.get_submodule("first") is block.first and block.get_submodule("") is block
    assert block.get_parameter("first.bias") is block.first.bias
    assert block.get_buffer("norm.running_mean") is block.norm.running_mean


def test_names_that_are_not_there():
    block = Block()
    with pytest.raises(
        AttributeError, match=r"Block has no child 'frist' on the way to 'frist'; it has first, norm, second"
    ):
        block.get_parameter("frist.bias")
    with pytest.raises(AttributeError, match="there is no parameter 'wight'; there is weight, bias"):
        block.get_parameter("first.wight")
    with pytest.raises(AttributeError, match="there is no buffer 'mean'; there is none"):
        block.get_buffer("first.mean")


def test_init_of_the_base_class_may_be_left_out():
    class Bare(Module):
        def __init__(self):
            self.w = Parameter([1.0])
            self.register_buffer("b", tl.ones(1))

    bare = Bare()
    assert list(bare.state_dict()) == ["w", "b"] and bare.training
    assert not Module._buffers and not Module._forward_hooks


def test_shared_parameters_and_modules_are_listed_once():
    block = Block()
    block.tied = block.second
    block.again = block.scale
    assert [name for name, _ in block.named_parameters()] == [*NAMES[:1], *NAMES[1:]]
    assert len(list(block.modules())) == 4 and len(list(block.children())) == 3
    assert {"tied.weight", "again"} <= set(block.state_dict())
    assert {"tied.weight", "again"} <= {name for name, _ in block.named_parameters(remove_duplicate=False)}


def test_a_loop_of_modules():
    block = Block()
    block.first.owner = block
    assert len(list(block.modules())) == 4
    assert len(block.state_dict()) > 0


def test_what_an_attribute_may_become():
    layer = Linear(2, 2)
    with pytest.raises(TypeError, match=r"Linear.weight is a parameter and can't become a Tensor; assign a Parameter"):
        layer.weight = tl.ones(2, 2)
    layer.weight = new = Parameter(tl.ones(2, 2))
    assert layer.get_parameter("weight") is new
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert (layer(tl.ones(1, 2)) == 2).all()
    del layer.weight
    layer.weight = tl.zeros(2, 2)
    assert not list(layer.parameters())
    norm = BatchNorm1d(2)
    with pytest.raises(TypeError, match="running_mean is a buffer and can't become a ndarray"):
        norm.running_mean = np.zeros(2)
    norm.running_mean = tl.ones(2)
    assert (norm.state_dict()["running_mean"] == 1).all()
    del norm.running_mean
    assert "running_mean" not in norm.state_dict()


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "register_module"])
def test_registering(method):
    values = {"register_parameter": Parameter([1.0]), "register_buffer": tl.ones(1), "register_module": ReLU()}
    module = Module()
    getattr(module, method)("one", values[method])
    getattr(module, method)("two", None)
    assert module.one is values[method] and module.two is None
    getattr(module, method)("two", values[method])
    for name in ("a.b", "", 3):
        with pytest.raises(ValueError, match=f"{method}: a name is a string"):
            getattr(module, method)(name, values[method])
    with pytest.raises(KeyError, match="already has an attribute 'forward'"):
        getattr(module, method)("forward", values[method])
    module.taken = 3
    with pytest.raises(KeyError, match="already has an attribute 'taken'"):
        getattr(module, method)("taken", values[method])
    with pytest.raises(TypeError, match=f"{method}: 'x' needs a"):
        getattr(module, method)("x", np.ones(2))


def test_buffers_that_are_not_saved():
    module = Module()
    module.register_buffer("saved", tl.ones(1))
    module.register_buffer("scratch", tl.ones(1), persistent=False)
    assert list(module.state_dict()) == ["saved"]
    assert [name for name, _ in module.named_buffers()] == ["saved", "scratch"]
    with pytest.raises(KeyError, match="already has an attribute"):
        Linear(1, 1).register_buffer("weight", tl.ones(1))


def test_modes():
    block = Block()
    assert block.eval() is block
    assert not any(module.training for module in block.modules())
    assert all(module.training for module in block.train().modules())
    block.requires_grad_(False)
    assert not any(p.requires_grad for p in block.parameters())


def test_gradients_are_forgotten():
    block = Block()
    block(tl.randn(4, 3)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_dtypes():
    block = Block()
    before = list(block.parameters())
    block(tl.randn(4, 3)).sum().backward()
    assert block.double() is block
    assert all(a is b for a, b in zip(before, block.parameters()))
    assert {t.dtype for t in (*block.parameters(), *(p.grad for p in before))} == {np.dtype("float64")}
    assert block.norm.running_mean.dtype == np.float64 and block.norm.num_batches_tracked.dtype == np.int64
    assert block(tl.randn(4, 3, dtype="float64")).dtype == np.float64
    assert block.half().scale.dtype == np.float16 and block.float().scale.dtype == np.float32
    for wrong in ("cpu", np.int64, object()):
        with pytest.raises(TypeError, match="to: needs float16, float32 or float64, got"):
            block.to(wrong)


def test_apply_visits_children_first():
    visited = []
    net = Sequential(Linear(1, 1), Sequential(ReLU()))
    assert net.apply(lambda m: visited.append(type(m).__name__)) is net
    assert visited == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_hooks():
    layer = Linear(2, 2)
    x, seen = tl.ones(1, 2), []
    before = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    after = layer.register_forward_hook(lambda module, args, out: seen.append((args, out)))
    change = layer.register_forward_hook(lambda module, args, out: out + 1)
    y = layer(x)
    assert (seen[0][0][0] == 2).all() and np.allclose(y.detach().numpy(), seen[0][1].detach().numpy() + 1)
    for handle in (before, after, change):
        handle.remove()
        handle.remove()
    assert np.array_equal(layer(x).detach().numpy(), layer.forward(x).detach().numpy()) and len(seen) == 1
    assert not Linear._forward_hooks


def test_forward_is_missing():
    with pytest.raises(NotImplementedError, match="Module: has no forward"):
        Module()(1)


def test_copies():
    block = Block()
    block.other = block.first
    block(tl.randn(4, 3)).sum().backward()
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert twin.other is twin.first and twin.first is not block.first
        assert isinstance(twin.scale, Parameter) and twin.scale.requires_grad
        init.zeros_(twin.scale)
        assert (block.scale == 1).all()


# ---------------------------------------------------------------------------------- state dicts


def test_state_dict_round_trip():
    block, other = Block(), Block()
    block(tl.randn(4, 3))
    parameters = list(other.parameters())
    memory = [p.detach().numpy().ctypes.data for p in parameters]
    assert other.load_state_dict(block.state_dict()) == ([], [])
    assert all(a is b for a, b in zip(parameters, other.parameters()))
    assert memory == [p.detach().numpy().ctypes.data for p in parameters]
    x = tl.randn(4, 3)
    assert (block.eval()(x) == other.eval()(x)).all()


def test_state_dict_shares_memory():
    layer = Linear(2, 2)
    state = layer.state_dict()
    init.ones_(layer.weight)
    assert (state["weight"] == 1).all() and not state["weight"].requires_grad


@pytest.mark.parametrize("convert", [tl.tensor, np.asarray, lambda a: np.asarray(a).tolist()])
def test_values_of_any_kind(convert):
    layer = Linear(2, 2)
    layer.load_state_dict({"weight": convert(np.arange(4.0).reshape(2, 2)), "bias": convert(np.ones(2))})
    assert layer.weight.dtype == np.float32
    assert np.array_equal(layer.weight.detach().numpy(), [[0, 1], [2, 3]])


@needs_torch
def test_values_from_pytorch():
    layer = Linear(2, 2)
    theirs = torch.nn.Linear(2, 2)
    layer.load_state_dict(dict(theirs.named_parameters()))
    assert np.array_equal(layer.weight.detach().numpy(), theirs.weight.detach().numpy())
    with pytest.raises(TypeError, match=r"load_state_dict: weight: .*convert it to float32 first"):
        layer.load_state_dict({"weight": torch.ones(2, 2, dtype=torch.bfloat16), "bias": torch.ones(2)})


def test_every_fault_is_listed_and_nothing_is_changed():
    layer = Linear(2, 2)
    before = np.array(layer.bias.detach())
    with pytest.raises(RuntimeError) as caught:
        layer.load_state_dict({"weight": np.ones((3, 2)), "wieght": np.ones(1), "bias": np.ones(2), "extra": 1.0})
    text = str(caught.value)
    assert "does not fit Linear" in text
    assert "weight: shape (3, 2), but the module has (2, 2)" in text
    assert "unexpected: wieght, extra" in text
    assert np.array_equal(before, layer.bias.detach().numpy())
    with pytest.raises(RuntimeError, match="missing: weight"):
        layer.load_state_dict({"bias": np.ones(2)})
    with pytest.raises(TypeError, match="needs a dict"):
        layer.load_state_dict([1])
    with pytest.raises(TypeError, match="weight: needs numbers, got"):
        layer.load_state_dict({"weight": "many", "bias": np.ones(2)})


def test_not_strict():
    layer = Linear(2, 2)
    result = layer.load_state_dict({"bias": np.ones(2), "other": np.ones(2)}, strict=False)
    assert result.missing_keys == ["weight"] and result.unexpected_keys == ["other"]
    assert (layer.bias == 1).all()
    with pytest.raises(RuntimeError, match=r"bias: shape \(3,\)"):
        layer.load_state_dict({"bias": np.ones(3)}, strict=False)


def test_loading_between_forward_and_backward_is_noticed():
    layer = Linear(2, 2)
    x = tl.ones(1, 2, requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict(Linear(2, 2).state_dict())
    with pytest.raises(tl.GradientError, match="changed in place"):
        y.backward()


def test_repr():
    assert repr(Sequential(Block(), ReLU())) == (
        "Sequential(\n"
        "  (0): Block(\n"
        "    (first): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (norm): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
        "    (second): Linear(in_features=4, out_features=3, bias=False)\n"
        "  )\n"
        "  (1): ReLU()\n"
        ")"
    )


def test_parameter():
    p = Parameter([1.0, 2.0])
    assert p.requires_grad and p.is_leaf and p.dtype == np.float32
    assert type(p * 2) is tl.Tensor
    assert not Parameter(np.ones(2), requires_grad=False).requires_grad
    data = np.ones(2)
    p = Parameter(data)
    data[0] = 5
    assert p.dtype == np.float64 and (p == 1).all()
    with pytest.raises(TypeError, match="Parameter: needs floating-point data, got int64"):
        Parameter([1, 2])


def test_a_copied_module_calls_the_same_operation():
    class Calls(Module):
        def __init__(self):
            super().__init__()
            self.function = tl.silu

    assert copy.deepcopy(Calls()).function is tl.silu
