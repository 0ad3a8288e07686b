"""Plant bugs in the gradient rules, one at a time, and count how many the tests catch.

    python -m tests.mutation                 all of them: the score quoted in the README
    python -m tests.mutation --sample 200    some, spread over all rules
    python -m tests.mutation conv -v         those of the rules whose name holds 'conv', with the survivors' source

The targets are all gradient rules in tinygrad_lite/ops, the functions that they call, and the tape's own
handling of broadcasting. A bug is caught if one of the operations that run the function fails the same
check against differences as in tests/ops/test_registry.py, on the same kind of random calls, or if the
plain tests of its family fail.
"""

from __future__ import annotations

import os

os.environ["TINYGRAD_LITE_KERNELS"] = "numpy"  # the twins are the specification; tests/kernels holds Numba to them

import argparse
import ast
import contextlib
import importlib
import inspect
import pkgutil
import random
import signal
import sys
import time
import types
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_lite.kernels.twins
import tinygrad_lite.ops
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import mutants
from tests.ops import harness
from tests.ops.spec import Call
from tests.ops.test_registry import SPECS
from tinygrad_lite import autograd

DRAWS = 15
"""Calls of each operation, as many as the registry walk makes."""


COUNTING = ("convolution", "pooling", "resampling")
"""Modules whose integers are places in a picture."""


@dataclass
class Target:
    """A function to plant bugs in."""

    name: str
    function: types.FunctionType
    tree: ast.FunctionDef
    is_rule: bool
    counting: bool


def modules() -> list[types.ModuleType]:
    found = [autograd]
    for package in (tinygrad_lite.ops, tinygrad_lite.kernels.twins):
        for info in pkgutil.iter_modules(package.__path__):
            if info.name not in ("creation", "numpy_protocol"):
                found.append(importlib.import_module(f"{package.__name__}.{info.name}"))
    return found


def targets() -> list[Target]:
    """All rules, and the plain functions of their modules (those that no check runs are left out later)."""
    found = []
    for module in modules():
        for tree in ast.parse(inspect.getsource(module)).body:
            if not isinstance(tree, ast.FunctionDef):
                continue
            marks = [d.attr for d in tree.decorator_list if isinstance(d, ast.Attribute)]
            is_rule = "gradient" in marks or "gradients" in marks
            names = [d.id for d in tree.decorator_list if isinstance(d, ast.Name)]
            if not is_rule and (tree.decorator_list and "blockwise" not in names):
                continue
            if module is autograd and tree.name not in ("unbroadcast", "fit"):
                continue
            function = inspect.unwrap(getattr(module, tree.name, None))
            if isinstance(function, types.FunctionType):
                short = module.__name__.split(".")[-1]
                found.append(Target(f"{short}.{tree.name}", function, tree, is_rule, short in COUNTING))
    return found


def draw_calls(name: str) -> list[Call]:
    """The calls that the walk would make, the same at each run."""
    calls: list[Call] = []

    @settings(max_examples=DRAWS, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(SPECS[name].calls)
    def collect(call: Call) -> None:
        calls.append(call)

    collect()
    return calls


def passes(name: str, calls: list[Call]) -> bool:
    """Whether all checks of one operation pass."""
    try:
        for call in calls:
            harness.check(name, call, SPECS[name])
    except Exception:
        return False
    return True


def coverage(found: list[Target], calls: dict[str, list[Call]]) -> tuple[dict[Any, list[str]], list[str]]:
    """For the code of each target, the operations whose checks run it, the quickest first; and those that fail."""
    codes = {t.function.__code__ for t in found}
    rules = {t.function.__code__ for t in found if t.is_rule}
    outside = set()  # functions that values call as well: there a mistake has a consistent gradient
    users: dict[Any, list[tuple[float, str]]] = {}
    broken: list[str] = []
    for name in sorted(calls):
        seen = set()

        def watch(frame: Any, event: str, arg: Any, seen: set = seen) -> None:
            if event == "call" and frame.f_code in codes:
                seen.add(frame.f_code)
                if frame.f_code not in rules and not within(frame, rules):
                    outside.add(frame.f_code)

        start = time.perf_counter()
        sys.setprofile(watch)
        try:
            fine = passes(name, calls[name])
        finally:
            sys.setprofile(None)
        if not fine:
            print(f"the checks of {name} fail without any planted bug; left out", flush=True)
            broken.append(name)
            continue
        for code in seen:
            users.setdefault(code, []).append((time.perf_counter() - start, name))
    return {code: [name for _, name in sorted(users[code])] for code in users if code not in outside}, broken


def within(frame: Any, rules: set) -> bool:
    """Whether a gradient rule, or the tape, is at work further up the stack."""
    while frame is not None:
        if frame.f_code in rules or frame.f_globals.get("__name__") == "tinygrad_lite.autograd":
            return True
        frame = frame.f_back
    return False


PLAIN = {
    "activations": "activations", "piecewise": "activations", "comparison": "elementwise", "rounding": "elementwise",
    "selection": "elementwise", "special": "elementwise", "transcendental": "elementwise",
    "trigonometric": "elementwise", "contraction": "products", "decompositions": "linalg", "determinants": "linalg",
    "norms": "linalg", "systems": "linalg", "gathering": "indexing", "joining": "shapes", "rearranging": "shapes",
    "scans": "reductions", "losses_classification": "losses",
}  # fmt: skip
"""Where the plain tests of a module stand, if not under its own name."""


def caught_by_examples(target: Target) -> bool:
    """Whether the plain tests of the family fail: they hold what differences can't see, as ties and long arrays."""
    family = target.name.split(".")[0]
    path = f"tests/ops/test_{PLAIN.get(family, family)}.py"
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--no-header", path])
    return code == pytest.ExitCode.TESTS_FAILED


def caught(target: Target, tree: ast.FunctionDef, users: list[str], calls: dict[str, list[Call]]) -> bool:
    """Plant one bug, run the checks, and take it out again."""
    space = dict(target.function.__globals__)
    exec(compile(ast.Module([tree], []), "<planted>", "exec"), space)
    good = target.function.__code__
    planted = space[tree.name].__code__

    def too_long(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(120)
    target.function.__code__ = planted
    try:
        return any(not passes(name, calls[name]) for name in users) or caught_by_examples(target)
    except TimeoutError:
        return True
    finally:
        signal.alarm(0)
        target.function.__code__ = good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("pattern", nargs="?", default="", help="only rules whose name holds this")
    parser.add_argument("--sample", type=int, help="plant only so many, spread over all rules")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the source of the survivors")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    calls = {name: draw_calls(name) for name in SPECS if SPECS[name].gradient}
    found = targets()
    users, broken = coverage(found, calls)
    plan = [
        (target, kind, line, text, tree)
        for target in found
        if options.pattern in target.name and target.function.__code__ in users
        for kind, line, text, tree in mutants(target.tree, target.is_rule, target.counting)
        if (target.name, text) not in EQUIVALENT
    ]
    unrun = [t.name for t in found if t.is_rule and t.function.__code__ not in users and options.pattern in t.name]
    if options.sample:
        plan = random.Random(0).sample(plan, min(options.sample, len(plan)))
    score: Counter[str] = Counter()
    total: Counter[str] = Counter()
    survivors = []
    for target, kind, line, text, tree in plan:
        total[kind] += 1
        if caught(target, tree, users[target.function.__code__], calls):
            score[kind] += 1
        else:
            survivors.append((target.name, line, kind, ast.unparse(tree)))
            print(f"survived: {target.name}, line {line}: {kind}: {text}", flush=True)
            if options.verbose:
                print("    " + ast.unparse(tree).replace("\n", "\n    "), flush=True)
    for kind in sorted(total):
        print(f"{kind:20} {score[kind]:5} of {total[kind]:5}")
    for name in unrun:
        print(f"no check to second order runs {name}; the plain tests do")
    rules = len({target.name for target, *_ in plan})
    print(f"{sum(score.values())} of {len(plan)} planted bugs caught, in {rules} functions")
    return 0 if plan and not (survivors or broken) else 1


if __name__ == "__main__":
    sys.exit(main())
