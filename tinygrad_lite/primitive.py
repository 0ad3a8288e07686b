"""Primitive: a value and its gradient rules, and how calling one records itself on the tape.

    @primitive
    def tanh(x: Array) -> Tensor:
        return np.tanh(x)

    @tanh.gradient
    def tanh_x(g, out):                  # d tanh(x) / dx = 1 - tanh(x)^2
        return g * (1 - out * out)

The value is computed on arrays. A rule is named after the operation and the operand. It is given
the upstream gradient `g`, then whatever else it names (see `Rule`), and only what the rules name
is saved. A rule is written in NumPy and operators, so that it computes on arrays and, for higher
orders, on Tensors, where it records itself.
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import wraps
from operator import itemgetter
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from tinygrad_lite.autograd import Node, Several
from tinygrad_lite.explain import check_forward, explained
from tinygrad_lite.modes import ANOMALY, RECORD, modes
from tinygrad_lite.quick import MAKERS
from tinygrad_lite.tensor import Array, Tensor, new, to_array, wrap

P = ParamSpec("P")
R = TypeVar("R")

registry: dict[str, Any] = {}
"""Every operation by its name: primitives, and functions composed of them."""

SYNONYMS = {
    "dim": "axis", "dims": "axis", "keepdim": "keepdims", "input": "x", "self": "x", "other": "y", "a": "x",
    "unbiased": "correction", "ddof": "correction", "dim1": "axis1", "dim2": "axis2",
}  # fmt: skip
"""PyTorch's and NumPy's words for parameters that have another name here."""

NUMBERS = (float, int, bool, type(None))
"""Operands that take the dtype of the others (NumPy 2 calls Python numbers weak), or that are left out."""


MISSING = object()
"""Stands for a default that does not exist."""


def parameters_of(function: Callable) -> tuple[list[str], dict[str, Any]]:
    """The names of a function's parameters, and their defaults; `inspect.signature` takes forty times as long."""
    function = inspect.unwrap(function)
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    given = function.__defaults__ or ()
    defaults = dict.fromkeys(names, MISSING) | dict(zip(positional[len(positional) - len(given) :], given))
    return names, defaults | (function.__kwdefaults__ or {})


class Rule:
    """A gradient rule, and where the values that it names are found.

    After the upstream gradient (one for each differentiable result) a rule may name
      <operand>, <parameter>    as in the value's own signature
      out, or a result's name   what the value returned
      <operand>_shape           the shape of an operand whose values aren't needed
      shapes, needs             for all operands: the shape; whether the gradient is wanted
    Where the number of results varies, one list of upstream gradients comes first.
    """

    def __init__(self, function: Callable, op: Primitive) -> None:
        names = parameters_of(function)[0][len(op.smooth) :]
        self.slots = slots = [op.slot(name, function.__name__) for name in names]
        self.pull: Callable[[Any, Sequence], Any]  # from the upstream gradient and the saved values
        if op.many:
            self.pull = lambda g, saved: function(g.every(), *[saved[s] for s in slots])
        elif op.results is not None:
            self.pull = lambda g, saved: function(*g.every(), *[saved[s] for s in slots])
        elif not slots:
            self.pull = lambda g, saved: function(g)
        elif len(slots) == 1:
            slot = slots[0]
            self.pull = lambda g, saved: function(g, saved[slot])
        else:
            take = itemgetter(*slots)
            self.pull = lambda g, saved: function(g, *take(saved))


class Primitive(Generic[P, R]):
    """An operation with gradient rules; make one with `@primitive`."""

    def __init__(self, value: Callable[P, R], outputs: str, discrete: str, name: str | None) -> None:
        self.value = value
        self.__name__, self.__doc__, self.__module__ = value.__name__.rstrip("_"), value.__doc__, value.__module__
        self.name = name or self.__name__
        self.__wrapped__ = value  # for inspect.signature, help() and doctest
        self.names, self.defaults = parameters_of(value)
        annotations = {name: str(value.__annotations__.get(name, "")) for name in self.names}
        operands = [name for name in self.names if "Array" in annotations[name]]
        if not operands:
            raise TypeError(f"primitive: {self.name} has no operand; annotate those of its parameters with tl.Array")
        self.operands = operands
        self.arity = len(operands)
        self.variadic = "Arrays" in annotations[self.names[0]]
        self.plain = len(self.names) == len(operands) and not self.variadic
        usual = {name: default for name, default in self.defaults.items() if name not in operands}
        self.leading = not self.variadic and self.names[: self.arity] == operands
        self.usual = None if self.variadic or MISSING in usual.values() else usual
        # Slots: where operands, parameters, results and special values stand in a node's saved values.
        self.many = outputs.startswith("*")
        self.outputs = outputs.removeprefix("*").split()
        self.smooth = [k for k, name in enumerate(self.outputs) if name not in discrete.split()]
        self.results: Any = self.named if self.many or len(self.outputs) > 1 else None
        self.first_result = len(self.names)
        self.first_special = self.first_result + len(self.outputs)
        self.slot_names = [*operands, *(n for n in self.names if n not in operands), *self.outputs]
        self.specials: list[Callable[[Sequence, int], Any]] = []
        self.rules: list[Rule | None] = [None] * self.arity
        self.pulls: list[Any] = [None] * self.arity
        self.joint: Rule | None = None
        self.ruled = 0  # a bit for each operand that has a rule
        self.plans: dict[int, tuple] = {}
        self.quick: Any = None  # the function for the usual call (quick.py), made when first needed

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __deepcopy__(self, memo: dict) -> Primitive:
        """An operation is what it is, as a function: a module that holds one can be copied."""
        return self

    # ------------------------------------------------------------------------- declaring rules

    def gradient(self, rule: Callable) -> Callable:
        """Register the gradient rule of one operand; its name is '<operation>_<operand>'."""
        operand = rule.__name__.removeprefix(self.__name__ + "_")
        if operand not in self.operands or self.variadic:
            wanted = " or ".join(f"{self.__name__}_{name}" for name in self.operands)
            raise TypeError(f"{self.name}: the rule {rule.__name__!r} names no operand; call it {wanted}")
        k = self.operands.index(operand)
        self.rules[k] = made = Rule(rule, self)
        self.pulls[k] = made.pull
        self.ruled |= 1 << k
        self.quick = None
        return rule

    def gradients(self, rule: Callable) -> Callable:
        """Register one rule for all operands: it returns their gradients in order, None where not needed."""
        self.joint = Rule(rule, self)
        self.ruled = -1
        return rule

    def slot(self, name: str, rule: str) -> int:
        """Where the value called `name` stands among operands, parameters, results and specials."""
        if name not in self.slot_names:
            specials = ["shapes", "needs", *(f"{operand}_shape" for operand in self.operands)]
            if name not in specials:
                raise TypeError(f"{self.name}: the rule {rule} reads {name!r}, which is none of {self.slot_names}")
            self.slot_names.append(name)
            self.specials.append(self.special(name))
            self.plain = False
        return self.slot_names.index(name)

    def special(self, name: str) -> Callable[[Sequence, int], Any]:
        """What makes the value of a name that is neither operand, parameter nor result of the operands' arrays."""
        if name == "shapes":
            return lambda arrays, mask: [np.shape(a) for a in arrays]
        if name == "needs":
            return lambda arrays, mask: [bool(mask >> k & 1) for k in range(len(arrays))]
        k = self.operands.index(name.removesuffix("_shape"))
        return lambda arrays, mask: np.shape(arrays[k])

    def plan(self, mask: int) -> tuple:
        """For the operands in `mask`: the slots their rules leave unread, the operands they read, whether a result."""
        rules = [self.joint] if self.joint else [self.rules[k] for k in range(self.arity) if mask >> k & 1]
        read = {s for rule in rules if rule is not None for s in rule.slots}
        self.plans[mask] = plan = (
            [s for s in range(self.first_special) if s not in read],
            sorted(s for s in read if s < self.arity),
            any(self.first_result <= s < self.first_special for s in read),
        )
        return plan

    def kept(self, mask: int) -> tuple[bool, ...]:
        """For the operands in `mask`: whether their rules read each operand, parameter and result."""
        unread = (self.plans.get(mask) or self.plan(mask))[0]
        return tuple(s not in unread for s in range(self.first_special))

    # -------------------------------------------------------------------------------- calling

    def __call__(self, *args: P.args, **params: P.kwargs) -> R:
        quick = self.quick if self.quick is not None else self.make_quick()
        if quick and not params and len(args) == self.arity:
            return quick(*args)
        return self.general(args, params)

    def make_quick(self) -> Any:
        """Make the function for the usual call, or False where the operation is not so simple."""
        simple = self.plain and self.results is None and not self.joint and self.arity in MAKERS
        self.quick = MAKERS[self.arity](self) if simple else False
        return self.quick

    def general(self, args: Sequence, params: dict) -> Any:
        """Call with any arguments."""
        operands: Sequence[Any] = args
        if params or len(args) != self.arity or self.usual is None:
            operands, params = self.bind(args, params)
        else:
            params = self.usual
        arrays: list[Any] = []
        wanted, numbers_only = False, True
        try:
            for a in operands:
                if isinstance(a, Tensor):
                    arrays.append(a._array)
                    numbers_only = False
                    if a._requires_grad:
                        wanted = True
                elif type(a) in NUMBERS:
                    arrays.append(a)
                else:
                    arrays.append(to_array(a))
                    numbers_only = False
            if numbers_only:
                arrays = [a if a is None else to_array(a) for a in arrays]
            out: Any = self.value(*arrays) if self.plain else self.compute(arrays, params)  # type: ignore
        except Exception as error:
            raise explained(error, self.name, arrays) from error
        flags = modes.flags
        if flags & ANOMALY:
            check_forward(self.name, arrays, out)
        mask, parents = self.ways(operands) if wanted and flags & RECORD else (0, [])
        if self.results is not None:
            return self.several(operands, parents, arrays, params, out, mask, flags)
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        t = new(Tensor)
        t._array = out
        if out.base is not None:
            share_memory(t, operands)
        if mask and out.dtype.kind == "f":
            t._requires_grad = True
            t._edge = self.record(operands, parents, arrays, params, [t], mask, flags)
        return t

    def ways(self, operands: Sequence) -> tuple[int, list]:
        """A bit for each operand that gets a gradient, and where the gradient of each goes on, if anywhere."""
        mask, bit, parents = 0, 1, []
        for a in operands:
            parent = None
            if isinstance(a, Tensor) and a._requires_grad and self.ruled & bit:
                mask |= bit
                parent = a if a._edge is None else a._edge
            parents.append(parent)
            bit += bit
        return mask, parents

    def compute(self, arrays: list, params: dict) -> Any:
        return self.value(arrays, **params) if self.variadic else self.value(*arrays, **params)  # type: ignore

    def record(
        self, operands: Sequence, parents: list, saved: list, params: dict, results: list, mask: int, flags: int
    ) -> Node:
        """Leave a node with what the rules of the operands in `mask` will read. `saved` are the operands' arrays."""
        unread, watched, rereads = self.plans.get(mask) or self.plan(mask)
        cells: list = []
        for k in watched if not self.variadic else range(len(saved) if watched else 0):
            a = operands[k]
            if isinstance(a, Tensor) and not a._shared:
                cell = a._cell
                if cell is None:
                    a._cell = cell = [0]
                cells.append(cell)
            else:
                cells.append(None)
                if isinstance(saved[k], np.ndarray):  # somebody else may write to it
                    saved[k] = saved[k].copy()
        if rereads:
            for t in results:
                if t._cell is None:
                    t._cell = [0]
                cells.append(t._cell)
        one = self.results is None
        if self.plain and one:
            saved.append(results[0]._array)
        else:
            outs = [None] if self.many else [t._array for t in results]
            specials = [special(saved, mask) for special in self.specials]
            saved = [*([saved] if self.variadic else saved), *params.values(), *outs, *specials]
        for s in unread:
            saved[s] = None
        if not one:
            saved.append(self.likes(results))
        return Node(self, parents, saved, cells, results[0]._array if one else Several, flags)

    def several(
        self, operands: Sequence, parents: list, arrays: list, params: dict, out: Sequence, mask: int, flags: int
    ) -> Any:
        """Several results, as a (named) tuple; each differentiable one selects its part of the gradient."""
        tensors = [wrap(np.asarray(a)) for a in out]
        for t in tensors:
            if t._array.base is not None:
                share_memory(t, operands)
        if mask:
            node = self.record(operands, parents, arrays, params, tensors, mask, flags)
            likes = self.likes(tensors)
            for place, t in enumerate(tensors if self.many else [tensors[k] for k in self.smooth]):
                t._requires_grad = True
                t._edge = Node(select, [node], [None, place, likes, None], [], t, RECORD)
        return self.results(*tensors)

    def named(self, *tensors: Tensor) -> tuple:
        """The results as a named tuple, made when first needed; a plain tuple where their number varies."""
        if self.many:
            return tensors
        self.results = namedtuple(self.__name__, self.outputs)  # type: ignore[misc]
        return self.results(*tensors)

    def likes(self, results: Sequence) -> list[tuple]:
        """The shape and dtype of every differentiable result."""
        return [(a.shape, a.dtype) for a in (results if self.many else [results[k] for k in self.smooth])]

    def on(self, *args: Any, **params: Any) -> Any:
        """The operation inside a gradient rule: on arrays it gives arrays, on Tensors it records a Tensor."""
        for a in (*(args[0] if self.variadic else args), *params.values()):
            if isinstance(a, Tensor):
                return self(*args, **params)
        return self.value(*args, **params)

    def bind(self, args: Sequence, params: dict) -> tuple[Sequence, dict]:
        """Sort the arguments of a call into operands and parameters, in order and with the defaults."""
        if self.leading and self.arity <= len(args) <= len(self.names):
            rest = dict(zip(self.names[self.arity :], args[self.arity :]))
            if len(args) == len(self.names) and not params:
                return args[: self.arity], rest
            if self.usual is not None and (not params or (not rest and params.keys() <= self.usual.keys())):
                return args[: self.arity], self.usual | rest | params
        if len(args) > len(self.names):
            raise TypeError(f"{self.name}: got {len(args)} arguments, but takes {', '.join(self.names)}")
        given = dict(zip(self.names, args))
        for name, value in params.items():
            name = name if name in self.names else SYNONYMS.get(name, name)
            if name not in self.names or name in given:
                what = "got two values for" if name in given else "has no argument"
                raise TypeError(f"{self.name}: {what} {name!r}; it takes {', '.join(self.names)}")
            given[name] = value
        given = self.defaults | given
        operands = [given.pop(name) for name in self.operands]
        if self.variadic:
            operands = list(operands[0])
        if any(value is MISSING for value in (*given.values(), *operands)):
            raise TypeError(f"{self.name}: an argument is missing; it takes {', '.join(self.names)}")
        return operands, given

    # --------------------------------------------------------------------------- higher orders

    def lift(self, node: Node) -> list:
        """The saved values of `node` as Tensors that remember how they were made."""
        saved = list(node.saved or ())
        cells = iter(node.cells or ())
        mask = sum(1 << k for k, parent in enumerate(node.parents) if parent is not None)
        watched = (self.plans.get(mask) or self.plan(mask))[1]
        if self.variadic and watched:
            saved[0] = [remembering(a, parent, next(cells)) for a, parent in zip(saved[0], node.parents)]
        else:
            for k in watched:
                saved[k] = remembering(saved[k], node.parents[k], next(cells))
        for k in range(len(self.outputs)):
            out = saved[self.first_result + k]
            if out is not None and self.results is None:
                saved[self.first_result] = remembering(out, node, next(cells))
            elif out is not None and k in self.smooth:
                place = self.smooth.index(k)
                part = Node(select, [node], [None, place, saved[-1], None], [], out, RECORD)
                saved[self.first_result + k] = remembering(out, part, None)
        return saved


def remembering(array: Any, edge: Any, cell: list | None) -> Any:
    """A Tensor on a saved array, whose gradient goes on to `edge`; constants stay as they are."""
    if edge is None:
        return array
    t = wrap(array)
    t._requires_grad, t._edge, t._cell = True, edge, cell
    return t


def share_memory(t: Tensor, operands: Sequence) -> None:
    """Where a result is a view of an operand, a write to either must be seen through both."""
    base = t._array.base
    for a in operands:
        if isinstance(a, Tensor):
            if base is a._array or base is a._array.base:
                t._share_memory_with(a)
        elif isinstance(a, np.ndarray) and (base is a or base is a.base):
            t._shared = True


@overload
def primitive(value: Callable[P, R]) -> Primitive[P, R]: ...
@overload
def primitive(
    *, outputs: str = "out", discrete: str = "", public: bool = True, name: str | None = None
) -> Callable[[Callable[P, R]], Primitive[P, R]]: ...
def primitive(
    value: Any = None, *, outputs: str = "out", discrete: str = "", public: bool = True, name: str | None = None
) -> Any:
    """Make an operation of a function on arrays; give it gradient rules with `@<operation>.gradient`.

    value     the function. Its parameters annotated `Array` are operands, one annotated `Arrays` (the
              first) is a sequence of them, the rest are parameters. It returns a new array or a view,
              never an operand itself
    outputs   the names of the results, where there are several; they come as a named tuple. "*pieces" for as
              many as the value returns, all differentiable; the rule gets the list of their gradients
    discrete  those of them that have no gradient, such as indices
    public    whether it is listed in docs/OPS.md
    name      in the registry and in errors, where it is not that of the function: "linalg.inv"

    A rule for an operand may be left out: no gradient flows there, as for an index.

    A straight-through estimator (Bengio et al. 2013, arXiv:1308.3432) rounds, and passes the gradient on:

    >>> import numpy as np
    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite import Array, Tensor, primitive
    >>> @primitive(public=False)
    ... def hard_round(x: Array) -> Tensor:
    ...     return np.round(x)
    >>> @hard_round.gradient
    ... def hard_round_x(g):
    ...     return g
    >>> x = tl.tensor([0.2, 1.7], requires_grad=True)
    >>> hard_round(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """

    def make(value: Callable[P, R]) -> Primitive[P, R]:
        op = Primitive(value, outputs, discrete, name)
        if public:
            registry[op.name] = op
        return op

    return make if value is None else make(value)


@overload
def composed(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def composed(*, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def composed(function: Any = None, *, name: str | None = None) -> Any:
    """List a function that is made of primitives, and let it take PyTorch's `dim` for `axis` and the like."""
    if function is None:
        return lambda function: _composed(function, name)
    return _composed(function, name)


def _composed(function: Callable, name: str | None) -> Callable:
    names = parameters_of(function)[0]
    label = name or function.__name__.rstrip("_")

    @wraps(function)
    def call(*args: Any, **params: Any) -> Any:
        if params:
            for word in [n for n in params if n not in names and SYNONYMS.get(n) in names]:
                params[SYNONYMS[word]] = params.pop(word)
        try:
            return function(*args, **params)
        except Exception as error:
            raise explained(error, label, args) from error

    registry[label] = call
    return call


@primitive(public=False)
def select(several: Array, place: int, likes: list) -> Tensor:
    """One of several results; made by `Primitive.several`, never called."""
    return several[place]


@select.gradient
def select_several(g, place, likes):
    return Several({place: g}, likes)
