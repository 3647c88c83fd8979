"""The library's own source on a page: what a reader sees is what runs."""

from __future__ import annotations

import ast
import inspect
import io
import keyword
import textwrap
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

from goodharts_lib.errors import UserError

COLUMNS = 72  # of code that a page is wide enough for
# Before these a line may be broken, the lowest number first; after a comma as well, as 0.
LOOSE = {"for": 0, "if": 0, "else": 0} | dict.fromkeys("+-<>", 1) | dict.fromkeys("*/@%", 2)
Tokens = Sequence[tokenize.TokenInfo]  # of one row
BETWEEN = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def source_of(function: Callable[..., Any]) -> str:
    """Return the source of a function as it stands in its file, without its docstring.

    Args:
        function: a function or method written in Python.

    Raises:
        UserError: it has no source, or is no function with a name.
    """
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.isroutine(function) or not function.__name__.isidentifier():
        raise UserError(f"{name} is not a function with a name.")
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise UserError(f"{name} has no Python source.") from error
    definition = cast("ast.FunctionDef", ast.parse(text).body[0])
    lines = text.rstrip("\n").split("\n")  # as ast counts them
    first = definition.body[0]
    if ast.get_docstring(definition, clean=False) is not None and len(definition.body) > 1:
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


@dataclass
class _Group:
    """What stands in one pair of brackets on one row, or outside all of them."""

    start: int
    end: int
    breaks: list[tuple[int, int]] = field(default_factory=list)  # how loose it is there, column


def reflowed(text: str, columns: int = COLUMNS) -> str:
    """Return Python code with its long lines broken, as a formatter would, and its meaning kept.

    A line that has no place to break stays long.
    """
    rows: dict[int, list[tokenize.TokenInfo]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in BETWEEN and token.start[0] == token.end[0]:
            rows.setdefault(token.start[0], []).append(token)
    lines, depth = [], 0
    for number, row in enumerate(text.split("\n"), 1):
        tokens = rows.get(number, [])
        lines += _fitted(row, tokens, depth, columns) if len(row) > columns else [row]
        depth += sum((t.string in "([{") - (t.string in ")]}") for t in tokens)
    found = "\n".join(lines)
    return found if _meaning(found) == _meaning(text) else text


def _meaning(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def _fitted(row: str, tokens: Tokens, depth: int, columns: int) -> list[str]:
    """Break a row that is too long, with its comment after the last of its lines or above them."""
    if not tokens or tokens[-1].type != tokenize.COMMENT:
        return _broken(row, tokens, depth, columns)
    comment, code = tokens[-1].string, row[: tokens[-1].start[1]].rstrip()
    lines = _broken(code, tokens[:-1], depth, columns)
    if len(lines[-1]) + 2 + len(comment) <= columns:
        return [*lines[:-1], f"{lines[-1]}  {comment}"]
    return [code[: len(code) - len(code.lstrip())] + comment, *lines]


def _broken(row: str, tokens: Tokens, depth: int, columns: int) -> list[str]:
    """Break a row without a comment, if it is too long; `depth` brackets are open before it."""
    indent = row[: len(row) - len(row.lstrip())]
    outside, inside = _groups(row, tokens, depth)
    if len(row) <= columns or not (outside.breaks or inside):
        return [row]
    if outside.breaks and depth:
        return _packed(row, outside, indent, columns)
    if outside.breaks:  # an expression by itself may be put in brackets
        body = _packed(row, outside, f"{indent}    ", columns)
        return [f"{row[: outside.start]}(", *body, f"{indent})"]
    longest = max(inside, key=lambda group: group.end - group.start)
    body = _packed(row, longest, f"{indent}    ", columns)
    return [row[: longest.start], *body, indent + row[longest.end :]]


def _groups(row: str, tokens: Tokens, depth: int) -> tuple[_Group, list[_Group]]:
    """Return what may be broken outside all brackets of a row, and in each outermost pair.

    Outside, a statement may be broken after its `=` or `return` only. A row that opens a bracket
    for another row, or closes one, is left alone.
    """
    outside, free = _Group(0, len(row)), depth > 0
    inside, around = [], [outside]
    for before, token in zip([None, *tokens], tokens, strict=False):
        column = token.start[1]
        if token.string in ")]}":
            if len(around) == 1:
                return _Group(0, len(row)), []
            around[-1].end = column
            if len(around) == 2 and around[-1].breaks:
                inside.append(around[-1])
            around.pop()
        elif before and row[column - 1] == " " and column > around[-1].start:
            around[-1].breaks += _breaks(before, token)
        if token.string in "([{":
            around.append(_Group(token.end[1], len(row)))
        elif not depth and len(around) == 1 and token.string in ("=", "return"):
            outside, free = _Group(token.end[1] + 1, len(row)), True
            around[0] = outside
    if not free or len(around) > 1:
        outside.breaks.clear()
    return outside, inside if len(around) == 1 else []


def _breaks(before: tokenize.TokenInfo, token: tokenize.TokenInfo) -> list[tuple[int, int]]:
    """Return how loose it is between two tokens, with the column; nothing if they hold together."""
    operand = before.string in ")]}" or (
        before.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
        and (not keyword.iskeyword(before.string) or before.string in ("None", "True", "False"))
    )
    if before.string == ",":
        return [(0, token.start[1])]
    return [(LOOSE[token.string], token.start[1])] if operand and token.string in LOOSE else []


def _packed(row: str, group: _Group, indent: str, columns: int) -> list[str]:
    """Return what a group holds, broken where it is loosest, in as few lines as it fits in."""
    loosest = min(looseness for looseness, _ in group.breaks)
    cuts = [group.start, *(c for looseness, c in group.breaks if looseness == loosest), group.end]
    lines: list[str] = []
    for start, end in pairwise(cuts):
        piece = row[start:end].strip()
        if lines and len(lines[-1]) + 1 + len(piece) <= columns:
            lines[-1] += f" {piece}"
        else:
            lines.append(indent + piece)
    return lines


def show_source(*functions: Callable[..., Any]) -> None:
    """Show the source of functions in a notebook, without their docstrings, no wider than a page.

    Raises:
        UserError: one has no source, or is no function with a name.
    """
    from IPython.display import display  # only notebooks have it

    text = "\n\n".join(reflowed(source_of(function)) for function in functions)
    display(  # type: ignore[no-untyped-call]
        {"text/plain": text, "text/markdown": f"```python\n{text}\n```"}, raw=True
    )
