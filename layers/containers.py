"""Modules made of modules: in a row, in a list, in a dict."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import count
from typing import Any, Self

from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Array

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Row(Module):
    """Entries that are attributes named '0', '1', ...: what `Sequential` and the lists share."""

    kind: type = Module

    def _entries(self) -> dict[str, Any]:
        kind = self.kind
        return {name: value for name, value in self.__dict__.items() if isinstance(value, kind)}

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, Module):
            raise TypeError(
                f"{type(self).__name__}: needs modules, got {type(value).__name__}; a function has a module of its own "
                "(ReLU() for relu), and several modules are given as Sequential(a, b), ModuleList([a, b])"
            )
        return value

    def _refill(self, values: Iterable[Any]) -> None:
        """Hold `values`, named by their place."""
        values = [self._checked(value) for value in values]
        for name in self._entries():
            delattr(self, name)
        for place, value in enumerate(values):
            setattr(self, str(place), value)

    def _name(self, index: int) -> str:
        names = list(self._entries())
        try:
            return names[operator.index(index)]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(names)} entries") from None

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._entries().values()))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._made(list(self._entries().items())[index])
        return self.__dict__[self._name(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name(index), self._checked(value))

    def __delitem__(self, index: int | slice) -> None:
        values = list(self)
        del values[index]
        self._refill(values)

    def _made(self, entries: list[tuple[str, Any]]) -> _Row:
        raise NotImplementedError

    def append(self, value: Any) -> Self:
        """Put an entry at the end; returns the container."""
        free = next(str(k) for k in count(len(self)) if str(k) not in self.__dict__)
        setattr(self, free, self._checked(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Put entries at the end; returns the container."""
        for value in list(values):
            self.append(value)
        return self

    def insert(self, index: int, value: Any) -> Self:
        """Put an entry before place `index`, as in a list; returns the container."""
        values = list(self)
        values.insert(index, value)
        self._refill(values)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def __add__(self, values: Iterable[Any]) -> _Row:
        return self._made([(str(place), value) for place, value in enumerate([*self, *values])])

    def pop(self, index: int = -1) -> Any:
        """Take an entry out, and return it."""
        value = self[index]
        del self[index]
        return value


class Sequential(_Row):
    """Modules one after the other: each is given what the one before returned.

    Takes modules, or a dict of names to modules. A slice is a Sequential of the same modules.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, ReLU, Sequential
    >>> net = Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
    >>> net(tl.ones(3, 4)).shape
    (3, 2)
    >>> net[:2](tl.ones(3, 4)).shape
    (3, 8)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, self._checked(module))
        else:
            self._refill(modules)

    def forward(self, input: Any) -> Any:
        for module in list(self.__dict__.values()):  # as `self` is iterated, without making a dict at each call
            if isinstance(module, Module):
                input = module(input)
        return input

    def _made(self, entries: list[tuple[str, Any]]) -> Sequential:
        return Sequential(dict(entries))  # the names stay, as in PyTorch


class ModuleList(_Row):
    """A list of modules, whose parameters belong to the module that holds it.

    >>> from tinygrad_lite.layers import Linear, ModuleList
    >>> layers = ModuleList(Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self._refill(modules)

    def _made(self, entries: list[tuple[str, Any]]) -> ModuleList:
        return ModuleList(value for _, value in entries)


class ParameterList(_Row):
    """A list of parameters; arrays and Tensors become parameters.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ParameterList
    >>> [name for name, _ in ParameterList([tl.zeros(2), tl.zeros(3)]).named_parameters()]
    ['0', '1']
    """

    kind = Parameter

    def __init__(self, values: Iterable[Array] = ()) -> None:
        super().__init__()
        self._refill(values)

    def _checked(self, value: Any) -> Parameter:
        return value if isinstance(value, Parameter) else Parameter(value)

    def _made(self, entries: list[tuple[str, Any]]) -> ParameterList:
        return ParameterList(value for _, value in entries)

    def __repr__(self) -> str:
        return f"ParameterList({_listed(self._entries())})"


class _Dict(Module):
    """Entries that are attributes: what the dicts share."""

    kind: type = Module

    def __init__(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self.update(entries)

    def _entries(self) -> dict[str, Any]:
        kind = self.kind
        return {name: value for name, value in self.__dict__.items() if isinstance(value, kind)}

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add entries, or replace those of the same name."""
        for name, value in entries.items() if isinstance(entries, (Mapping, _Dict)) else entries:
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        entries = self._entries()
        if name not in entries:
            raise KeyError(f"{type(self).__name__}: there is no {name!r}; there is {', '.join(entries) or 'none'}")
        return entries[name]

    def __setitem__(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, name: object) -> bool:
        return name in self._entries()

    def keys(self) -> KeysView[str]:
        """The names, in the order of their adding."""
        return self._entries().keys()

    def values(self) -> ValuesView[Any]:
        """The entries."""
        return self._entries().values()

    def items(self) -> ItemsView[str, Any]:
        """Names and entries."""
        return self._entries().items()

    def get(self, name: str, default: Any = None) -> Any:
        """The entry of a name, or `default`."""
        return self._entries().get(name, default)

    def pop(self, name: str) -> Any:
        """Take an entry out, and return it."""
        value = self[name]
        del self[name]
        return value

    def clear(self) -> None:
        """Take all entries out."""
        for name in self._entries():
            delattr(self, name)


class ModuleDict(_Dict):
    """A dict of modules by name, whose parameters belong to the module that holds it.

    A name is a string without '.', and none that Module uses itself ('training', 'forward', ...).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, ModuleDict, ReLU
    >>> heads = ModuleDict({"a": Linear(2, 1), "b": ReLU()})
    >>> heads["a"](tl.ones(1, 2)).shape
    (1, 1)
    """

    def __setitem__(self, name: str, module: Module) -> None:
        self.register_module(name, module)


class ParameterDict(_Dict):
    """A dict of parameters by name; arrays and Tensors become parameters. Names as in `ModuleDict`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ParameterDict
    >>> scales = ParameterDict({"left": tl.ones(2), "right": tl.zeros(2)})
    >>> [(name, p.requires_grad) for name, p in scales.named_parameters()]
    [('left', True), ('right', True)]
    """

    kind = Parameter

    def __setitem__(self, name: str, value: Array) -> None:
        self.register_parameter(name, value if isinstance(value, Parameter) else Parameter(value))

    def __repr__(self) -> str:
        return f"ParameterDict({_listed(self._entries())})"


def _listed(parameters: Mapping[str, Parameter]) -> str:
    """A line for each parameter, as PyTorch's lists of them are printed."""
    lines = [f"\n  ({name}): {value.dtype}{list(value.shape)}" for name, value in parameters.items()]
    return "".join(lines) + "\n" if lines else ""
