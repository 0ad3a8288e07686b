"""L-BFGS: Newton's direction from the last few steps, for small problems without noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.optim.line_search import Point, strong_wolfe
from tinygrad_lite.optim.optimizer import POSITIVE, Optimizer
from tinygrad_lite.tensor import Tensor, to_array

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal 1989; Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 7.5).

    From the last steps s = x' - x and changes of gradient y = g' - g it makes the direction d = -H g, where H is near
    to the inverse of the second derivative, without ever writing H down. One call of `step` does up to `max_iter` of

        d <- -H g
        t <- lr, or the step that the line search finds; at the very first lr min(1, 1 / |g|_1)
        x <- x + t d

    params            one list; groups are not possible, for the direction is one for all parameters
    max_eval          at most so many computations of the loss a call; 5/4 max_iter if not given
    tolerance_grad    stop when no element of the gradient is larger
    tolerance_change  stop when the loss or every parameter changes less
    history_size      how many pairs (s, y) are kept
    line_search_fn    None, or 'strong_wolfe', which is needed wherever lr=1 is too far

    `step` needs a function that clears the gradients, computes the loss, calls its backward, and returns it.
    Parameters without a gradient stay. Raises TypeError without that function.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import LBFGS
    >>> w = tl.tensor([-1.0, 2.0], dtype="float64", requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe", max_iter=50)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2  # Rosenbrock's valley
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    104.0
    >>> w.detach().round(decimals=4)
    tensor([1., 1.], dtype=float64)
    """

    ranges: ClassVar = {"lr": POSITIVE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only for the one group there is. Raises ValueError for a second one."""
        if self.param_groups:
            raise ValueError("LBFGS: has one group of parameters, for its direction is one for all of them")
        super().add_param_group(param_group)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn is None or 'strong_wolfe', got {group['line_search_fn']!r}")
        if group["history_size"] < 1:
            raise ValueError(f"LBFGS: history_size={group['history_size']}; at least one step is needed")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go up to max_iter steps. Returns what the function returned at the beginning."""
        if closure is None:
            raise TypeError("LBFGS: step needs a function that computes the loss and its gradients anew")
        group, state = self.param_groups[0], self.state.setdefault(self._all()[0], {"func_evals": 0, "n_iter": 0})
        evaluations, too_small = state["func_evals"], group["tolerance_change"]
        with tl.no_grad():
            first, g = self._evaluate(closure)
            loss = float(first)
            for left in reversed(range(group["max_iter"])):
                if largest(g) <= group["tolerance_grad"]:
                    break
                d = self._direction(g)
                t = float(group["lr"]) * (min(1.0, 1.0 / float(np.abs(g).sum())) if state["n_iter"] == 1 else 1.0)
                before = Point(0.0, loss, g, float(g @ d))
                state.update(d=d, t=t, prev_flat_grad=g, prev_loss=loss)
                if before.slope > -too_small:
                    break
                budget = group["max_eval"] - (state["func_evals"] - evaluations)
                state["t"], loss, g = self._go(closure, before, budget, left)
                if state["func_evals"] - evaluations >= group["max_eval"]:
                    break
                if largest(d * state["t"]) <= too_small or abs(loss - before.loss) < too_small:
                    break
        return first

    def _direction(self, g: np.ndarray) -> np.ndarray:
        """-H g, by two loops over the history (Nocedal and Wright, algorithm 7.4)."""
        state = self.state[self._all()[0]]
        state["n_iter"] += 1
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        ys, ss, ro = history = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = float(y @ s)
        if curvature > 1e-10:
            for kept, new in zip(history, (y, s, 1 / curvature)):
                kept.append(new)
                del kept[: -self.param_groups[0]["history_size"]]
            state["H_diag"] = curvature / float(y @ y)
        q, alphas = -g, []
        for y, s, r in zip(reversed(ys), reversed(ss), reversed(ro)):
            alphas.append(r * float(s @ q))
            q -= alphas[-1] * y
        q *= state["H_diag"]
        for y, s, r, alpha in zip(ys, ss, ro, reversed(alphas)):
            q += (alpha - r * float(y @ q)) * s
        return q

    def _go(self, closure: Callable, before: Point, budget: int, left: int) -> tuple[float, float, np.ndarray]:
        """Move along the direction; return the step, and the loss and the gradient there."""
        state, origin = self.state[self._all()[0]], [p._array.copy() for p in self._all()]
        d, t = state["d"], state["t"]

        def look(t: float) -> Point:
            self._move(origin, t * d)
            loss, g = self._evaluate(closure)
            return Point(t, float(loss), g, float(g @ d))

        if self.param_groups[0]["line_search_fn"] == "strong_wolfe":
            found = strong_wolfe(look, before, t, largest(d), budget)
            self._move(origin, found.t * d)
        elif left:
            found = look(t)
        else:  # what would be found is not needed any more
            self._move(origin, t * d)
            found = before._replace(t=t)
        return found.t, found.loss, found.gradient

    def _move(self, origin: list[np.ndarray], change: np.ndarray) -> None:
        """The parameters become `origin` and their parts of `change`."""
        last = 0
        for p, start in zip(self._all(), origin):
            first, last = last, last + p.size
            p._writable("LBFGS")[...] = start + change[first:last].reshape(p.shape)

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, np.ndarray]:
        """What the function returns, and all gradients as one vector, 0 where there is none."""
        with tl.enable_grad():
            loss = closure()
        self.state[self._all()[0]]["func_evals"] += 1
        parts = []
        for p in self._all():
            g = np.zeros(p.shape, p.dtype) if p.grad is None else to_array(p.grad, p.dtype)
            if g.shape != p.shape:
                raise ValueError(f"LBFGS: a gradient of shape {g.shape} for a parameter of shape {p.shape}")
            parts.append(g.reshape(-1))
        return loss, np.concatenate(parts)

    def _restored(self, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
        """As PyTorch keeps it: vectors over all parameters, lists of them, and numbers."""
        size = sum(q.size for q in self._all())

        def vector(value: Any) -> np.ndarray:
            array = np.array(np.asarray(value.detach() if hasattr(value, "detach") else value), p.dtype)
            if array.shape != (size,):
                raise ValueError(f"LBFGS: load_state_dict: a vector of shape {array.shape}, all parameters are {size}")
            return array

        restored: dict[str, Any] = {}
        for name, value in values.items():
            if value is None or name == "al":  # PyTorch's scratch memory
                continue
            if name in ("func_evals", "n_iter"):
                restored[name] = int(value)
            elif name in ("d", "prev_flat_grad"):
                restored[name] = vector(value)
            elif name in ("old_dirs", "old_stps"):
                restored[name] = [vector(v) for v in value]
            else:
                restored[name] = [float(v) for v in value] if name == "ro" else float(value)
        return restored


def largest(x: np.ndarray) -> float:
    """The largest absolute value."""
    return float(np.abs(x).max(initial=0.0))
