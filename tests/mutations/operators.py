"""What is changed: one place of a source file at a time.

Owns the operators (a comparison, a condition, a number, a truth value, a statement that is left out) and where each of them applies. Does not know
which files, nor what notices a change. Law: the same source gives the same mutations, in the order of its text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
_ARITHMETIC |= {ast.LShift: ast.RShift, ast.RShift: ast.LShift}
_SWAPPED_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DROPPED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Delete, ast.Break, ast.Continue)


class Mutation(NamedTuple):
    """One change of one place."""

    path: str
    line: int
    start: int
    end: int
    """Where, in bytes of the file."""
    new: str
    old: str
    lines: tuple[int, int] = (0, 0)
    """The first line of the statement, and the last of the place."""
    names: tuple[str, ...] = ()
    """Outside of functions: what the statement gives a value, or the functions and classes around. What runs at import shows where they are used."""
    nth: int = 0
    """How many of the same text stand before it in the file."""
    statement: str = ""
    """The first line of its statement."""

    def __str__(self) -> str:
        return f"{self.path}: {short(self.old)} -> {short(self.new)}"

    @property
    def place(self) -> str:
        """As an editor wants to be told."""
        return f"{self.path}:{self.line}: {short(self.old)} -> {short(self.new)}"

    @property
    def key(self) -> str:
        """The same for as long as the text of its place, and of the same places before it, stays."""
        return f"{self} #{self.nth}"


def short(text: str) -> str:
    """On one line."""
    return " ".join(text.split())


def mutations_of(path: str, source: str) -> list[Mutation]:
    """Every mutation of a file, in the order of its text."""
    data, texts = source.encode(), source.split("\n")
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, new, first, names in _changes(ast.parse(source), 0, None):
        start, end = starts[node.lineno - 1] + node.col_offset, starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        lines = (first, node.end_lineno or 0)
        found.append(Mutation(path, node.lineno, start, end, new, data[start:end].decode(), lines, names or (), 0, texts[first - 1].strip()))
    seen: dict[str, int] = {}
    ordered = []
    for mutation in sorted(found, key=lambda mutation: mutation[1:5]):
        seen[str(mutation)] = nth = seen.get(str(mutation), -1) + 1
        ordered.append(mutation._replace(nth=nth))
    return ordered


def _changes(tree: ast.AST, first: int, names: tuple[str, ...] | None) -> Iterator[tuple[ast.expr | ast.stmt, str, int, tuple[str, ...] | None]]:
    """(a node, what stands there instead, the first line of its statement, the names outside of functions).

    Leaves alone what says something and does nothing: types, texts, slots, messages of errors.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)) or _says_something(node):
            continue
        start, inside = (node.lineno, _names_of(node, names)) if isinstance(node, ast.stmt) else (first, names)
        for changed, new in _changes_of(node):
            yield changed, new, start, inside
        if isinstance(node, ast.FunctionDef):
            yield from _changes(ast.Module(body=node.body, type_ignores=[]), start, ())
            yield from _changes(ast.Tuple(elts=[*node.args.defaults, *filter(None, node.args.kw_defaults)]), start, inside)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield from _changes(ast.Tuple(elts=[node.value]), start, inside)
        elif not isinstance(node, ast.arg):
            yield from _changes(node, start, inside)


def _names_of(node: ast.stmt, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """What a statement outside of functions is about; within a function it is nothing."""
    if names == ():
        return names
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []
    named = tuple(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
    return named or names


def _says_something(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id in ("__slots__", "__all__") for target in targets)


def _changes_of(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield node, _text(ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield node, _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        for number in range(len(node.values)):
            rest = node.values[:number] + node.values[number + 1 :]
            yield node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, _text(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not isinstance(node.left, (ast.Constant, ast.JoinedStr)):
        yield node, _text(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield node, str(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield node, str(not node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SWAPPED_CALLS:
        yield node, _text(ast.Call(ast.Name(_SWAPPED_CALLS[node.func.id]), node.args, node.keywords))
    elif isinstance(node, _DROPPED):
        yield node, "pass"
    elif isinstance(node, ast.IfExp):
        yield node, _text(ast.IfExp(node.test, node.orelse, node.body))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"
