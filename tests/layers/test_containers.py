import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite.layers import (
    Linear,
    Module,
    ModuleDict,
    ModuleList,
    Parameter,
    ParameterDict,
    ParameterList,
    ReLU,
    Sequential,
)


def three():
    return [Linear(2, 3), ReLU(), Linear(3, 1)]


@needs_torch
def test_sequential_as_pytorch():
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    check(Sequential(*three()), theirs, normal(4, 2))
    assert list(Sequential(*three())[1:].state_dict()) == list(theirs[1:].state_dict())


def test_sequential_is_a_list():
    a, b, c = modules = three()
    net = Sequential(*modules)
    assert list(net) == modules and len(net) == 3
    assert net[0] is a and net[-1] is c and net[np.int64(1)] is b
    assert list(net[:2]) == [a, b] and isinstance(net[::-1], Sequential) and net[::-1][0] is c
    net.append(d := ReLU()).insert(1, e := ReLU())
    assert list(net) == [a, e, b, c, d]
    assert [name for name, _ in net.named_children()] == ["0", "1", "2", "3", "4"]
    del net[1]
    net[-1] = e
    assert list(net) == [a, b, c, e]
    assert net.pop() is e and net.pop(0) is a and list(net) == [b, c]
    net.extend([a, d])
    assert list(net) == [b, c, a, d]
    del net[1:3]
    assert list(net) == [b, d]


def test_sequential_with_names():
    net = Sequential({"hidden": Linear(2, 3), "1": ReLU()})
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert net.hidden is net[0]
    net.append(out := Linear(3, 1))
    assert list(net)[-1] is out and len(net) == 3
    net.append(ReLU())
    assert len(net) == 4


def test_empty_sequential():
    x = tl.ones(2)
    assert Sequential()(x) is x and repr(Sequential()) == "Sequential()"


@pytest.mark.parametrize("container", [Sequential(), ModuleList()])
def test_what_is_no_module(container):
    with pytest.raises(TypeError, match=rf"{type(container).__name__}: needs modules, got function"):
        container.append(lambda x: x)
    with pytest.raises(TypeError, match="got list"):
        Sequential([ReLU()])
    with pytest.raises(IndexError, match="index 2 is out of range for 0 entries"):
        container[2]


def test_module_list():
    layers = ModuleList(three())
    assert len(list(layers.parameters())) == 4 and len(layers[1:]) == 2
    with pytest.raises(NotImplementedError):
        layers(1)

    class Net(Module):
        def __init__(self):
            self.layers = layers

    assert next(iter(Net().state_dict())) == "layers.0.weight"


def test_module_dict():
    heads = ModuleDict({"a": Linear(2, 1), "b": ReLU()})
    heads["c"] = Linear(1, 1)
    assert list(heads) == ["a", "b", "c"] == list(heads.keys())
    assert "a" in heads and "z" not in heads and len(heads) == 3
    assert list(heads.state_dict()) == ["a.weight", "a.bias", "c.weight", "c.bias"]
    assert heads.pop("b") in [ReLU] or "b" not in heads
    del heads["a"]
    assert [name for name, _ in heads.items()] == ["c"] and len(list(heads.values())) == 1
    with pytest.raises(KeyError, match="there is no 'q'; there is c"):
        heads["q"]
    with pytest.raises(KeyError, match="already has an attribute 'training'"):
        heads["training"] = ReLU()
    heads.clear()
    assert len(heads) == 0


def test_parameter_list():
    weights = ParameterList([tl.zeros(2), Parameter(tl.ones(3))])
    weights.append(np.ones(4))
    assert [p.size for p in weights] == [2, 3, 4] and all(isinstance(p, Parameter) for p in weights)
    assert list(weights.state_dict()) == ["0", "1", "2"]
    assert [p.size for p in weights[1:]] == [3, 4]
    assert repr(weights[:1]) == "ParameterList(\n  (0): float32[2]\n)"


def test_rows_are_added():
    a, b, c = three()
    net = Sequential(a)
    longer = net + Sequential(b, c)
    assert isinstance(longer, Sequential) and list(longer) == [a, b, c] and list(net) == [a]
    net += [b]
    assert list(net) == [a, b] and list(net.insert(0, c)) == [c, a, b]
    weights = ParameterList([tl.zeros(2)])
    both = weights + [tl.ones(3)]
    assert both[0] is weights[0] and [p.size for p in both] == [2, 3]
    assert [name for name, _ in both.named_parameters()] == ["0", "1"]


def test_parameter_dict():
    own = Parameter(tl.ones(3))
    weights = ParameterDict({"b": tl.zeros(2), "a": own})
    weights["c"] = np.ones(4)
    assert list(weights) == ["b", "a", "c"] == list(weights.state_dict())
    assert weights["a"] is own and all(isinstance(p, Parameter) for p in weights.values())
    weights["c"] = new = Parameter(tl.zeros(1))
    assert weights["c"] is new and weights.get("c") is new and weights.get("z", 3) == 3
    assert weights.pop("c") is new and "c" not in weights and len(weights) == 2
    weights.update([("d", tl.ones(1))])
    weights.update(ParameterDict({"e": tl.ones(1)}))
    assert list(weights.keys()) == ["b", "a", "d", "e"]
    assert repr(ParameterDict({"a": own})) == "ParameterDict(\n  (a): float32[3]\n)"
    assert repr(ParameterDict()) == "ParameterDict()"
    with pytest.raises(KeyError, match="ParameterDict: there is no 'q'; there is b, a, d, e"):
        weights["q"]
    with pytest.raises(KeyError, match="already has an attribute 'keys'"):
        weights["keys"] = own


@needs_torch
def test_parameter_dict_as_pytorch():
    theirs = torch.nn.ParameterDict({"a": torch.ones(2), "b": torch.zeros(3)})
    ours = ParameterDict({"a": tl.zeros(2), "b": tl.ones(3)})
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict()) and (ours["a"] == 1).all()
