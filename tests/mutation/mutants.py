"""The bugs to plant: small changes in the source of one function, as a programmer makes them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

TWINS = {  # a function taken for another
    "cos": "sin", "sin": "cos", "cosh": "sinh", "sinh": "cosh", "exp": "expm1", "log": "log1p", "sqrt": "square",
    "square": "sqrt", "tril": "triu", "triu": "tril", "maximum": "minimum", "minimum": "maximum", "sum": "mean",
    "mean": "sum", "sign": "abs", "abs": "sign", "ones_like": "zeros_like",
}  # fmt: skip
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARISONS = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}
TURNING = {"swapaxes", "transpose", "moveaxis", "flip", "roll"}


def changes(node: ast.AST, saved: list[str]) -> Iterator[tuple[str, ast.AST]]:
    """Each bug that can be planted at one node: its kind, and the node to put in its place."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield "dropped term", node.left
            yield "dropped term", node.right
        if isinstance(node.op, (ast.Mult, ast.Div)):
            yield "dropped factor", node.left
        if isinstance(node.op, ast.Mult):
            yield "dropped factor", node.right
        if type(node.op) in OPERATORS:
            yield "wrong operator", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        if isinstance(node.op, ast.MatMult):
            yield "transposed operand", ast.BinOp(node.right, ast.MatMult(), node.left)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        yield "wrong comparison", ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "off by one", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield "scale", ast.Constant(node.value * 1.5 + 0.25)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in saved:
        others = [name for name in saved if name != node.id]
        if others:
            yield "stale value", ast.Name(others[0], ast.Load())
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in TURNING and node.args:
            yield "transposed operand", node.args[0]
        if node.func.attr in TWINS:
            twin = ast.Attribute(node.func.value, TWINS[node.func.attr], ast.Load())
            yield "wrong function", ast.Call(twin, node.args, node.keywords)
        for k, keyword in enumerate(node.keywords):
            if keyword.arg == "axis" and isinstance(keyword.value, (ast.Constant, ast.UnaryOp)):
                moved = copy.deepcopy(node)
                moved.keywords[k].value = ast.BinOp(keyword.value, ast.Add(), ast.Constant(1))
                yield "wrong axis", moved
    elif isinstance(node, ast.Return) and node.value is not None:
        parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for k, part in enumerate(parts):
            if isinstance(part, ast.Constant):
                continue
            for kind, wrong in (
                ("sign", ast.UnaryOp(ast.USub(), part)),
                ("scale", ast.BinOp(part, ast.Mult(), ast.Constant(1.01))),
            ):
                if isinstance(node.value, ast.Tuple):
                    wrong = ast.Tuple([*parts[:k], _unless_none(part, wrong), *parts[k + 1 :]], ast.Load())
                yield kind, ast.Return(wrong)


def _unless_none(part: ast.expr, wrong: ast.expr) -> ast.expr:
    """`None if part is None else wrong`: a joint rule leaves out what nobody needs."""
    return ast.IfExp(ast.Compare(part, [ast.Is()], [ast.Constant(None)]), ast.Constant(None), wrong)


class _Replace(ast.NodeTransformer):
    def __init__(self, place: int, new: ast.AST) -> None:
        self.place, self.new, self.count = place, new, -1

    def visit(self, node: ast.AST) -> ast.AST:
        self.count += 1
        if self.count == self.place:
            return self.new
        return self.generic_visit(node)


def _conditions(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a comparison or of what an `if` asks: there a change often tests the same thing otherwise."""
    yield from ast.walk(node if isinstance(node, ast.Compare) else node.test)  # type: ignore[attr-defined]


def _in_order(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from _in_order(child)


def mutants(function: ast.FunctionDef, linear: bool, counting: bool) -> Iterator[tuple[str, int, str, ast.FunctionDef]]:
    """All changed versions of a function: (kind of bug, line, what stands there now, tree).

    linear: it returns gradients (a rule). counting: its integers are places, where off by one is a bug.
    A rule that returns zeros has no wrong sign or scale.
    """
    if "zeros_like" in ast.unparse(function.body[-1]):
        return
    bare = copy.deepcopy(function)
    bare.decorator_list = []
    bare.returns = None
    arguments = [a.arg for a in bare.args.args]
    for a in bare.args.args:
        a.annotation = None
    saved = [name for name in arguments if not name.endswith(("shape", "shapes")) and name not in CONFIGURATION]
    saved = saved[1:] if linear else []
    described = {id(n.value) for n in ast.walk(bare) if isinstance(n, ast.Attribute) and n.attr in DESCRIPTION}
    compared = {
        id(n) for c in ast.walk(bare) if isinstance(c, (ast.Compare, ast.If, ast.IfExp)) for n in _conditions(c)
    }
    for place, node in enumerate(_in_order(bare)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # the docstring
        for kind, new in changes(node, saved):
            if isinstance(node, ast.Return) and not linear:
                continue
            if kind == "stale value" and id(node) in described:
                continue
            if (kind == "off by one" and not counting) or (kind != "wrong comparison" and id(node) in compared):
                continue
            tree = _Replace(place, new).visit(copy.deepcopy(bare))
            yield kind, getattr(node, "lineno", function.lineno), ast.unparse(new), ast.fix_missing_locations(tree)


DESCRIPTION = {"shape", "dtype", "ndim", "size"}
"""What an array has in common with its gradient."""

CONFIGURATION = {
    "axis", "axes", "keepdims", "needs", "indices", "index", "padding", "stride", "dilation", "groups", "shape",
    "sizes",
    "mode", "position", "kernel_size", "dtype", "eps", "reduction", "sections", "shift", "shifts", "offset",
}  # fmt: skip
