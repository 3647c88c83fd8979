"""The library's own source on a page: what a reader sees is what runs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, cast

from goodharts_lib.errors import UserError


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


def show_source(*functions: Callable[..., Any]) -> None:
    """Show the source of functions in a notebook, without their docstrings.

    Raises:
        UserError: one has no source, or is no function with a name.
    """
    from IPython.display import display  # only notebooks have it

    text = "\n\n".join(source_of(function) for function in functions)
    display(  # type: ignore[no-untyped-call]
        {"text/plain": text, "text/markdown": f"```python\n{text}\n```"}, raw=True
    )
