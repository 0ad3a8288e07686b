"""The tape: how a gradient is made.

Every operation on a Tensor that wants a gradient leaves a `Node` behind. A node knows the
operation, the nodes its operands came from, and the few values that its gradient rules will
read. `backward` and `grad` walk these nodes from the youngest to the oldest: an operation is
always younger than the operands it was given, so when its turn comes, all that flows into it
has arrived (reverse accumulation; Griewank and Walther 2008, section 3.2).

The rules see plain arrays, which is fast. With `create_graph=True` they see Tensors instead,
so that the gradient leaves nodes behind as well, and can be differentiated again.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite.modes import ANOMALY, LINES, REGION, modes, no_grad, user_line

if TYPE_CHECKING:
    from tinygrad_lite.primitive import Primitive
    from tinygrad_lite.tensor import Tensor

clock = itertools.count(1)
"""Numbers nodes and in-place writes in the order in which they happen."""


class GradientError(RuntimeError):
    """A gradient could not be made; the message names the operation and the way out."""


class AnomalyError(GradientError):
    """`detect_anomaly` met a NaN or an Inf."""


class Node:
    """One recorded operation.

    op       the primitive, with its gradient rules
    number   its age: a node is younger (has a larger number) than its parents
    parents  for each operand where its gradient goes on: a Node, a leaf Tensor, or None
    saved    the values that its rules read; None when backward has freed them
    cells    the write stamps of the saved Tensors, to see whether one was changed since
    hooks    called with the gradient of the result
    line     the user's line that made it, where lines are recorded
    shape, dtype  of the result, which its gradient shares; None for several results
    """

    __slots__ = ("cells", "dtype", "hooks", "line", "number", "op", "parents", "saved", "shape")

    def __init__(self, op: Primitive, parents: Sequence, saved: list, cells: list, result: Any, flags: int) -> None:
        self.op = op
        self.number = next(clock)
        self.parents = parents
        self.saved: Any = saved
        self.cells = cells
        self.shape = result.shape
        self.dtype = result.dtype
        self.hooks = self.line = None
        if flags & (LINES | ANOMALY):
            self.line = user_line()
        if flags & REGION and cells:
            self.saved = modes.region.defer(self)

    def __repr__(self) -> str:
        return f"<Node {self.number}: {self.op.name} -> {self.shape}>"


class Several(dict):
    """The gradient of an operation with several results: from the place of a result to its gradient.

    likes: the shape and dtype of every result, for those that received no gradient.
    """

    shape = dtype = None

    def __init__(self, gradients: dict, likes: list) -> None:
        super().__init__(gradients)
        self.likes = likes

    def __add__(self, other: Several) -> Several:
        total = Several(self, self.likes)
        total += other
        return total

    def __iadd__(self, other: Several) -> Several:  # type: ignore[override]
        for place, g in other.items():
            self[place] = self[place] + g if place in self else g
        return self

    def every(self) -> list:
        """A gradient for each result, zeros where none arrived."""
        return [self[k] if k in self else np.zeros(*like) for k, like in enumerate(self.likes)]


OURS = (np.ndarray, Several)
"""What a sum of gradients is made in, unless it is a Tensor."""


def youngest_first(roots: Iterable[Any]) -> list[Node]:
    """All nodes that `roots` were computed from, each after every node that used it."""
    seen = set(roots)
    stack = [root for root in seen if type(root) is Node]
    nodes = []
    while stack:
        node = stack.pop()
        nodes.append(node)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                if type(parent) is Node:
                    stack.append(parent)
    nodes.sort(key=attrgetter("number"), reverse=True)
    return nodes


def leads_to(targets: set, nodes: list[Node]) -> set:
    """The nodes among `nodes` (youngest first) whose gradient reaches one of `targets`."""
    needed = set(targets)
    for node in reversed(nodes):
        if not needed.isdisjoint(node.parents):
            needed.add(node)
    return needed


def sweep(
    seeds: dict[Any, Any], targets: set | None = None, retain_graph: bool = False, create_graph: bool = False
) -> dict[Any, Any]:
    """Carry gradients from `seeds` (node or leaf -> gradient) down to the leaves, or to `targets`.

    Returns leaf (or target) -> gradient: arrays, or Tensors with `create_graph`.
    """
    with np.errstate(all="ignore"):  # a gradient may well be infinite; `detect_anomaly` is there to find it
        return _sweep(seeds, targets, retain_graph, create_graph)


def _sweep(seeds: dict[Any, Any], targets: set | None, retain_graph: bool, create_graph: bool) -> dict[Any, Any]:
    nodes = youngest_first(seeds)
    needed = None if targets is None else leads_to(targets, nodes)
    grads = dict(seeds)
    anomaly = modes.flags & ANOMALY
    summed = set()  # parents whose gradient is an array of our own making: safe to add to in place
    get, pop = grads.get, grads.pop
    for node in nodes:
        g = pop(node, None)
        if g is None or (needed is not None and node not in needed):
            continue
        if node.hooks is not None:
            g = run_hooks(node.hooks, g)
        if targets is not None and node in targets:
            grads[node] = g
        op, saved = node.op, node.saved
        if type(saved) is not list:
            saved = recall(node)
        if node.cells:
            check_unchanged(node)
        try:
            if create_graph:
                saved = op.lift(node)
            ready = None if op.joint is None else op.joint.pull(g, saved)
            for k, parent in enumerate(node.parents):
                if parent is None or (needed is not None and parent not in needed):
                    continue
                contribution = op.pulls[k](g, saved) if ready is None else ready[k]
                if contribution is None:
                    continue
                before = get(parent)
                like = parent if before is None else before
                if contribution.shape != like.shape or contribution.dtype is not like.dtype:
                    contribution = fit(contribution, parent, node)
                if anomaly:
                    check_backward(contribution, node)
                if before is None:
                    grads[parent] = contribution
                elif parent in summed:
                    before += contribution
                else:
                    total = grads[parent] = before + contribution
                    if type(total) in OURS:
                        summed.add(parent)
        except GradientError:
            raise
        except Exception as error:
            raise failure(error, node, g) from error
        if node.cells and not retain_graph:
            node.saved = None
    return grads


def recall(node: Node) -> list:
    """The saved values of a node that has none at hand: computed again in a checkpoint, or gone."""
    if node.saved is None:
        raise GradientError(
            f"{node.op.name}: backward through this graph a second time{at(node)}. Its saved values were "
            "freed by the first backward; pass retain_graph=True to the first one, or run forward again."
        )
    node.saved = node.saved.recompute()
    return node.saved


def check_unchanged(node: Node) -> None:
    """Raise where a saved value is no longer that of the forward pass."""
    for cell in node.cells:
        if cell is not None and cell[0] > node.number:
            raise GradientError(
                f"{node.op.name}: a tensor that its gradient needs was changed in place after the forward "
                f"pass{at(node)}. Write to a copy (t.clone()), or change it after backward."
            )


def failure(error: Exception, node: Node, g: Any) -> GradientError:
    return GradientError(
        f"{node.op.name}: its gradient rule failed{at(node)} on an upstream gradient of shape "
        f"{getattr(g, 'shape', None)}: {type(error).__name__}: {error}"
    )


def at(node: Node) -> str:
    """' (made at file.py:12, in f)' where lines are recorded."""
    return f" (made at {node.line})" if node.line else ""


def fit(g: Any, parent: Any, node: Node) -> Any:
    """Bring the gradient of a broadcast or promoted operand back to the operand's shape and dtype."""
    if parent.shape is None:
        return g
    if g.shape != parent.shape:
        try:
            g = unbroadcast(g, parent.shape)
        except ValueError:
            raise GradientError(
                f"{node.op.name}: a gradient rule gave shape {g.shape} for an operand "
                f"of shape {parent.shape}{at(node)}; a rule returns the operand's shape, or one it broadcasts to"
            ) from None
    return g if g.dtype == parent.dtype else g.astype(parent.dtype)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which an operand of `shape` was broadcast.

    A value used n times by broadcasting receives the sum of its n gradients.
    """
    extra = g.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(g.shape) if i < extra or (shape[i - extra] == 1 and n != 1))
    return np.reshape(np.sum(g, axis=axes), shape)


def run_hooks(hooks: list, g: Any) -> Any:
    """Hand the gradient, as a Tensor, to each hook; what a hook returns takes its place."""
    from tinygrad_lite.tensor import Tensor, wrap

    was_tensor = isinstance(g, Tensor)
    t = g if was_tensor else wrap(np.asarray(g))
    for hook in hooks:
        answer = hook(t)
        t = t if answer is None else answer
    return t if was_tensor else t._array


def check_backward(g: Any, node: Node) -> None:
    arrays = g.values() if isinstance(g, Several) else (g,)
    if not all(np.isfinite(getattr(a, "_array", a)).all() for a in arrays):
        raise AnomalyError(f"the gradient of {node.op.name} made the first NaN or Inf{at(node)}")


def seed(output: Tensor, gradient: Any, create_graph: bool, asked_by: str) -> Any:
    """The gradient to start from at `output`, checked, as an array (or Tensor with `create_graph`)."""
    from tinygrad_lite.tensor import Tensor, wrap

    if not output.requires_grad:
        raise GradientError(
            f"{asked_by}: the output does not require grad and has no graph. Make an input with "
            "requires_grad=True, and compute outside no_grad() and without detach()."
        )
    if gradient is None and output.size != 1:
        raise GradientError(
            f"{asked_by}: a gradient can start without an argument only at a single number, and this "
            f"output has shape {output.shape}. Reduce it (output.sum()), or pass the upstream gradient."
        )
    if not isinstance(gradient, Tensor):
        gradient = wrap(np.ones(output.shape) if gradient is None else np.asarray(gradient))
    if gradient.shape != output.shape:
        raise GradientError(
            f"{asked_by}: the upstream gradient has shape {gradient.shape}, the output {output.shape}; "
            "they must be the same"
        )
    if gradient.dtype != output.dtype:
        gradient = gradient.astype(output.dtype)
    return gradient if create_graph else gradient._array


def backward(
    tensors: Tensor | Sequence[Tensor],
    gradients: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradient of `tensors` to the `.grad` of every leaf that they were computed from.

    tensors: one Tensor or several. gradients: the upstream gradient of each, of the same shape; None
    for a single number. retain_graph: keep the saved values for another backward (default: as
    `create_graph`). create_graph: record the gradient itself, for higher orders.

    Raises GradientError where there is no graph, shapes differ, saved values were freed or changed.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> tl.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    from tinygrad_lite.tensor import Tensor

    if isinstance(tensors, Tensor):
        tensors, gradients = (tensors,), (gradients,)
    keep = create_graph if retain_graph is None else retain_graph
    found = sweep(_seeds(tensors, gradients, create_graph, "backward"), None, keep, create_graph)
    for leaf in list(found):
        accumulate(leaf, found.pop(leaf))


def _seeds(tensors: Sequence, gradients: Any, create_graph: bool, asked_by: str) -> dict:
    gradients = [None] * len(tensors) if gradients is None else gradients
    if len(gradients) != len(tensors):
        raise GradientError(f"{asked_by}: {len(tensors)} outputs and {len(gradients)} upstream gradients")
    seeds: dict[Any, Any] = {}
    for tensor, gradient in zip(tensors, gradients):
        g = seed(tensor, gradient, create_graph, asked_by)
        edge = tensor._source()
        seeds[edge] = seeds[edge] + g if edge in seeds else g
    return seeds


def accumulate(leaf: Tensor, g: Any) -> None:
    """Add `g` to `leaf.grad`; an array that something else may hold is copied first."""
    from tinygrad_lite.tensor import Tensor, wrap

    if leaf._hooks:
        g = run_hooks(leaf._hooks, g)
    if isinstance(g, Tensor):
        leaf.grad = g if leaf.grad is None else leaf.grad + g
    elif leaf.grad is not None:
        with no_grad():
            leaf.grad += g
    elif type(g) is np.ndarray and g.base is None and sys.getrefcount(g) <= 3:
        leaf.grad = wrap(g)
    else:
        leaf.grad = wrap(np.array(g))


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """The gradient of `outputs` with respect to `inputs`, returned; no `.grad` is touched.

    Arguments as in `backward`. Returns a Tensor for a single input, else a tuple, one for each
    input, of its shape and dtype; None for an unused one with `allow_unused`.

    Raises GradientError if an input does not require a gradient or was not used.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor(3.0, requires_grad=True)
    >>> slope = tl.grad(x**3, x, create_graph=True)
    >>> slope, tl.grad(slope, x)
    (tensor(27., grad_fn=<multiply>), tensor(18.))
    """
    from tinygrad_lite.tensor import Tensor, wrap

    single = isinstance(inputs, Tensor)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if isinstance(outputs, Tensor):
        outputs, grad_outputs = [outputs], [grad_outputs]
    for k, x in enumerate(inputs):
        if not x.requires_grad:
            raise GradientError(f"grad: input {k} does not require grad; make it with requires_grad=True")
    targets = [x._source() for x in inputs]
    keep = create_graph if retain_graph is None else retain_graph
    found = sweep(_seeds(outputs, grad_outputs, create_graph, "grad"), set(targets), keep, create_graph)
    answer: list[Tensor | None] = []
    for k, (x, target) in enumerate(zip(inputs, targets)):
        g = found.get(target)
        if g is None and not allow_unused:
            raise GradientError(
                f"grad: input {k} was not used to compute the outputs. Pass allow_unused=True to get None for it."
            )
        if g is not None and x._hooks:
            g = run_hooks(x._hooks, g)
        answer.append(g if g is None or isinstance(g, Tensor) else wrap(np.array(g)))
    return answer[0] if single else tuple(answer)
